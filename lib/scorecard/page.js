// Filters and sorts the table of claims, opens the claim that the address names, and hands out the rows behind it.
(() => {
  "use strict";
  const root = document.currentScript.closest(".scorecard");
  const [form, table, head] = ["form", "table", "thead"].map((name) => root.querySelector(name));
  const rows = [...table.tBodies]; // a claim and its rule
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());

  const VERDICTS = ["supported", "contradicted", "inconclusive", "not testable"];
  const number = (row) => Number(row.id.replace("claim-", ""));
  const orNever = (text) => (text === "" ? Infinity : Number(text));
  // By the place of a column: what rows are sorted by. Ties stay in the order of the claims.
  const KEYS = {
    0: number,
    1: (row) => VERDICTS.indexOf(row.dataset.verdict),
    4: (row) => orNever(row.rows[0].cells[4].textContent.split(" ").pop()),
    5: (row) => orNever(row.dataset.share),
    6: (row) => orNever(row.dataset.chapter),
  };
  let [sorted, down] = [0, false];

  const show = () => {
    const chosen = Object.fromEntries(["verdict", "chapter", "initialization"].map((name) => [name, form.elements[name].value]));
    const fragile = form.elements.fragile.checked;
    let count = 0;
    for (const row of rows) {
      const { verdict, chapter, initialization } = row.dataset;
      row.hidden =
        (chosen.verdict && verdict !== chosen.verdict) ||
        (chosen.chapter && chapter !== chosen.chapter) ||
        (chosen.initialization && !initialization.split(" ").includes(chosen.initialization)) ||
        (fragile && !row.dataset.fragile);
      count += !row.hidden;
    }
    form.querySelector("output").textContent = count === rows.length ? `${count} claims` : `${count} of ${rows.length} claims`;
  };
  form.addEventListener("input", show);

  const sort = (column) => {
    down = column === sorted && !down;
    sorted = column;
    const key = KEYS[column];
    const missing = (row) => key(row) === Infinity; // what has no value stands last, whichever way
    const order = (one, other) => missing(one) - missing(other) || (down ? -1 : 1) * (key(one) - key(other)) || number(one) - number(other);
    table.append(...rows.sort((one, other) => order(one, other) || 0));
    [...head.rows[0].cells].forEach((cell, at) =>
      at === column ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"),
    );
  };
  for (const [column, cell] of [...head.rows[0].cells].entries()) {
    if (!(column in KEYS)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.addEventListener("click", () => sort(column));
    cell.replaceChildren(button);
  }
  head.rows[0].cells[0].setAttribute("aria-sort", "ascending");

  // A link to a claim shows it whatever is filtered, with its rule open.
  const open = () => {
    const row = rows.find((one) => `#${one.id}` === location.hash);
    if (!row) return;
    if (row.hidden) {
      form.reset();
      show();
    }
    row.querySelector("details").open = true;
    row.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", open);
  addEventListener("pageshow", open); // once the page has its final height

  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  };
  for (const button of root.querySelectorAll("[data-rows]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([await unpacked(globalThis.scorecardRows[button.dataset.rows])], { type: "text/csv" }));
      link.download = `claim-${button.dataset.rows}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  // The picture of dependencies, wherever it stands on the page.
  addEventListener("DOMContentLoaded", () => {
    for (const picture of document.querySelectorAll(".dependencies")) {
      const words = picture.parentElement.querySelector(".dependency-words");
      const nodes = [...picture.querySelectorAll(".node")];
      const lines = [...picture.querySelectorAll(".rests")];
      const touch = (node) => {
        const claim = node && node.dataset.claim;
        const near = lines.filter((line) => claim && (line.dataset.from === claim || line.dataset.to === claim));
        const with_ = new Set([claim, ...near.flatMap((line) => [line.dataset.from, line.dataset.to])]);
        lines.forEach((line) => line.classList.toggle("faint", Boolean(claim) && !near.includes(line)));
        nodes.forEach((one) => one.classList.toggle("faint", Boolean(claim) && !with_.has(one.dataset.claim)));
        if (claim) words.textContent = node.querySelector("title").textContent;
      };
      for (const node of nodes) {
        for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => touch(node));
        for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => touch(null));
      }
    }
  });
})();
