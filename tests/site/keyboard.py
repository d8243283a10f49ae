"""What the Tab key reaches on a page, and whether a person sees where it is."""

from __future__ import annotations

from playwright.sync_api import Page
from visit import RESTED

# Everything that takes the focus by Tab, in the order of the document, which is that of the key where no tabindex is
# positive. A group of radio buttons is one stop, at the button that is chosen.
_STOPS = """() => {
  const parts = 'a[href], area[href], button, input, select, textarea, summary, iframe, [tabindex], [contenteditable]';
  return [...document.querySelectorAll(parts)].filter(part => part.tabIndex >= 0 && !part.disabled
    && !part.closest('[inert]') && part.checkVisibility({visibilityProperty: true})
    && (!part.matches('summary') || part.parentElement.firstElementChild === part)
    && (part.type !== 'radio' || part.checked));
}"""

_NAMED = """part => part.tagName.toLowerCase() + (part.className && part.className.split
  ? '.' + part.className.trim().split(/\\s+/).join('.') : '')
  + ' “' + (part.getAttribute('aria-label') || part.textContent || part.title).trim().slice(0, 40) + '”'"""

# A control shows its focus by an outline of its own, or by changing what it looks like.
_UNSEEN = f"""() => {{
  const named = {_NAMED};
  const channels = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const sized = part => Math.min(part.getBoundingClientRect().width, part.getBoundingClientRect().height) >= 1;
  const look = control => {{
    const part = sized(control) ? control : control.firstElementChild || control; // some stand in what they hold
    const style = getComputedStyle(part);
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1
      && (channels(style.outlineColor)[3] ?? 1) > 0;
    const rest = [style.boxShadow, style.backgroundColor, style.borderColor, style.textDecoration];
    const {{x, y}} = part.getBoundingClientRect(); // the way to the content comes into sight
    return {{outlined, rest: [...rest, x, y].join()}};
  }};
  const still = document.head.appendChild(document.createElement('style'));
  still.textContent = '*, *::before, *::after {{ transition: none !important; scroll-behavior: auto !important; }}';
  document.activeElement.blur();
  const unseen = [];
  for (const part of ({_STOPS})()) {{
    if (part.tabIndex > 0) unseen.push('takes its turn before others: ' + named(part));
    const before = look(part);
    part.focus({{preventScroll: true}});
    const after = look(part);
    if (document.activeElement !== part) unseen.push('refuses the focus: ' + named(part));
    else if (!(after.outlined && !before.outlined) && after.rest === before.rest)
      unseen.push('looks the same with the focus: ' + named(part));
    else if (!sized(part) && ![...part.children].some(sized)) unseen.push('cannot be seen: ' + named(part));
  }}
  document.activeElement.blur();
  still.remove();
  return unseen;
}}"""

_FORMULAS = f"() => ({_STOPS})().filter(part => part.closest('mjx-container')).length"
_ACTIVE = f"""() => {{
  const part = document.activeElement;
  if (part === document.body) return null;
  const shown = part.getBoundingClientRect().height >= 1 ? part : part.firstElementChild || part;
  const [place] = shown.getClientRects();
  const x = Math.min(Math.max(place.left + place.width / 2, 1), innerWidth - 1);
  const y = Math.min(Math.max(place.top + Math.min(place.height / 2, 20), 1), innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  return {{stop: ({_STOPS})().indexOf(part), name: ({_NAMED})(part),
    hidden: !(part.contains(top) || top?.contains(part))}};
}}"""


def focus_problems(tab: Page) -> list[str]:
    """Return the controls of the open page that the keyboard reaches unseen or out of turn, and stops at formulas."""
    tab.keyboard.press("Tab")  # a browser shows the focus to who uses the keyboard
    formulas = tab.evaluate(_FORMULAS)
    return [f"stops at {formulas} formulas"] * bool(formulas) + tab.evaluate(_UNSEEN)


def walk(tab: Page, most: int = 2000) -> tuple[list[int], list[str], int]:
    """Press Tab through the open page; return the stops made, those that something covers, and how many there are."""
    stops, hidden = [], []
    for _ in range(most):
        tab.keyboard.press("Tab")
        if not stops:  # the way to the content slides into sight
            tab.evaluate(RESTED)
        active = tab.evaluate(_ACTIVE)
        if active is None:
            break
        stops.append(active["stop"])
        hidden += [active["name"]] if active["hidden"] else []
    return stops, hidden, tab.evaluate(f"() => ({_STOPS})().length")
