// Boxes whose content is wider than they are scroll sideways. Each says so by an edge, since a phone draws no scroll bar,
// and a key can reach it: the browser's own rule for that differs from one to the next.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const BOXES = "article :is(pre, figure, div.math, mjx-container, .output, .cell_output, .pst-scrollable-table-container, .dependencies, .answers)";
  const WIDE = "is-wide";
  let asked = false;
  const INLINE = "mjx-container:not([display])";
  const isWide = (box) => {
    if (!box.matches(INLINE)) return box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(box).overflowX);
    const room = box.closest("p, li, td, th, dd, figcaption, div").clientWidth;
    return room > 0 && box.offsetWidth > room + 1;
  };
  const mark = () => {
    asked = false;
    // A formula in a line of text becomes a box where it is too wide, so it is measured as it would be without.
    for (const formula of document.querySelectorAll(`article ${INLINE}.${WIDE}`)) formula.classList.remove(WIDE);
    const boxes = [...document.querySelectorAll(BOXES)];
    const wide = boxes.map(isWide);
    boxes.forEach((box, at) => {
      const was = box.classList.contains(WIDE) || (box.matches(INLINE) && box.hasAttribute("tabindex"));
      box.classList.toggle(WIDE, wide[at]);
      if (wide[at]) box.tabIndex = 0;
      else if (was) box.removeAttribute("tabindex");
    });
  };
  const ask = () => {
    if (!asked) requestAnimationFrame(mark);
    asked = true;
  };
  addEventListener("load", () => window.MathJax?.startup?.promise?.then(ask));
  new ResizeObserver(ask).observe(document.querySelector("article") ?? document.body);
});
