// Show what stands behind a link of the article in a small card: the definition, theorem, equation, reference or claim
// that the page keeps for it. A mouse over the link or the keyboard's focus opens it; Escape closes it, and so does what
// leaves both link and card. A finger follows the link as ever.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const kept = document.querySelector("template.cards");
  if (!kept) return;
  const WAIT = 150; // milliseconds, either way
  const GAP = 6; // pixels
  const texts = new Map([...kept.content.children].map((text) => [text.dataset.for, text]));
  const card = Object.assign(document.createElement("div"), { id: "card-of-link", className: "card-of-link", hidden: true });
  card.setAttribute("role", "tooltip");
  kept.parentElement.append(card);
  let link = null;
  let timer = 0;

  const place = () => {
    if (!link) return;
    const at = [...link.getClientRects()][0] ?? link.getBoundingClientRect();
    const { width, height } = card.getBoundingClientRect();
    const below = at.bottom + GAP + height <= innerHeight || at.top < innerHeight - at.bottom;
    card.style.left = `${Math.max(GAP, Math.min(at.left, document.documentElement.clientWidth - width - GAP))}px`;
    card.style.top = `${below ? at.bottom + GAP : at.top - GAP - height}px`;
  };
  const hide = () => {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = null;
    card.hidden = true;
  };
  const show = async (asked) => {
    clearTimeout(timer);
    if (asked === link) return;
    hide();
    link = asked;
    card.replaceChildren(...texts.get(link.getAttribute("href")).cloneNode(true).childNodes);
    card.hidden = false;
    link.setAttribute("aria-describedby", card.id);
    place();
    if (!card.querySelector(".math")) return;
    await window.MathJax?.startup?.promise;
    await window.MathJax?.typesetPromise?.([card]);
    place(); // a formula that is typeset is lower than its source
  };
  const after = (act, ...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, WAIT, ...given);
  };
  for (const each of kept.parentElement.querySelectorAll('a[href*="#"]')) {
    if (!texts.has(each.getAttribute("href"))) continue;
    each.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && after(show, each));
    each.addEventListener("pointerleave", () => after(hide));
    each.addEventListener("focus", () => each.matches(":focus-visible") && show(each));
    each.addEventListener("blur", hide);
    each.addEventListener("click", hide);
  }
  card.addEventListener("pointerenter", () => clearTimeout(timer));
  card.addEventListener("pointerleave", () => after(hide));
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("scroll", place, { passive: true });
  addEventListener("resize", place);
});
