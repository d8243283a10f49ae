// What is behind a point of a figure: seeds, keys, commit, the last audit of each row, and the command that trains the
// rows again. A click on the figure takes the nearest point; the button below it opens the list for those who do not
// point. Commits and audits of all rows are one file beside the pages, asked for when the first dialog opens.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const NEAR = 16; // pixels
  const made = (name, content, attributes = {}) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.append(...[content].flat());
    return element;
  };
  const dialog = made("dialog", [], { className: "behind" });
  dialog.setAttribute("aria-label", "Rows behind a point");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);

  const unpacked = (link) => {
    const bytes = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  // Without this script the same link gives the packed file.
  for (const link of document.querySelectorAll(".downloads .rows"))
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const href = URL.createObjectURL(new Blob([await unpacked(link)], { type: "text/csv" }));
      made("a", [], { href, download: link.download.replace(/\.gz$/, "") }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
  const rowsOf = async (figure) => {
    const [head, ...lines] = (await unpacked(figure.querySelector(".downloads .rows"))).trim().split("\n");
    const names = head.split(",");
    const byKey = new Map();
    for (const line of lines) {
      // Only lists of layers are quoted, and they stand behind what is asked for here.
      const row = Object.fromEntries(line.split(",").map((text, at) => [names[at], text]));
      if (!byKey.has(row.key)) byKey.set(row.key, row);
    }
    return [...byKey.values()];
  };
  // A partial build may lack the file; the rest of the dialog does without.
  let loading = null;
  const known = () =>
    (loading ??= new Promise((done) => {
      const script = made("script", [], { src: "rows_behind.js" });
      for (const end of ["load", "error"]) script.addEventListener(end, done);
      document.head.append(script);
    }));
  const audit = (key) => {
    const last = globalThis.rowsBehind?.audits[key];
    if (!last) return "none yet";
    const [date, outcome, deviation, tolerance, value, unseen, processor] = last;
    const what = value ? `${value} by ${deviation}` : "in nothing";
    const cell = made("span", `${outcome}, ${date}${unseen ? ", its beginning alone" : ""}`);
    cell.append(made("br", []), made("small", `deviates ${what}, where ${tolerance} is allowed, on ${processor}`));
    return cell;
  };
  const source = (rows) => {
    const of = Object.entries(globalThis.rowsBehind?.experiments ?? {}).filter(([, { keys }]) => rows.some(({ key }) => keys.includes(key)));
    return of.map(([name, { commit }]) => `results/${name}.jsonl` + (commit ? `, commit ${commit.slice(0, 10)}` : "")).join("; ");
  };
  const SETTINGS = ["dataset", "scaling", "momentum", "initializer", "depth", "width", "samples"];
  const tell = (list, rows, [, , , places], target) => {
    const there = places.map((place) => rows[place]).sort((one, other) => one.seed - other.seed);
    const [first] = there;
    if (!first) return target.replaceChildren("Its rows are not among those of this figure.");
    const same = SETTINGS.filter((name) => first[name] && there.every((row) => row[name] === first[name]));
    const command = `python -m lib.experiments audit results/*.jsonl ${there.map(({ key }) => `--key ${key}`).join(" ")}`;
    const lines = there.map(({ seed, key, date }) => made("tr", [seed, key, date || "", audit(key)].map((cell) => made("td", cell))));
    const head = made("tr", ["seed", "key of the row", "trained", "last audit"].map((text) => made("th", text, { scope: "col" })));
    const from = source(there);
    const copy = made("button", "copy", { type: "button" });
    copy.addEventListener("click", () => navigator.clipboard.writeText(command));
    target.replaceChildren(
      made("p", same.map((name) => `${name} ${first[name]}`).join(", ")),
      ...(from ? [made("p", ["From ", made("code", from), "."])] : []),
      made("table", [made("thead", head), made("tbody", lines)]),
      made("p", ["Trains these rows again and compares every value: ", made("code", command), " ", copy]),
    );
  };
  const open = async (figure, points, at) => {
    const rows = await rowsOf(figure);
    const list = made("select", points.map(([, , label], place) => made("option", label, { value: place })));
    const target = made("div", []);
    list.value = at;
    list.setAttribute("aria-label", "point");
    list.addEventListener("input", () => tell(list, rows, points[list.value], target));
    const close = made("button", "close", { type: "button" });
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(made("p", ["Rows behind ", list, " ", close]), target);
    tell(list, rows, points[at], target);
    known().then(() => tell(list, rows, points[list.value], target));
    dialog.showModal();
  };
  for (const button of document.querySelectorAll("figure .points")) {
    const figure = button.closest("figure");
    const image = figure.querySelector("img");
    const points = JSON.parse(button.dataset.points);
    const nearest = (event) => {
      const box = image.getBoundingClientRect();
      const apart = ([left, top]) => Math.hypot(box.left + left * box.width - event.clientX, box.top + top * box.height - event.clientY);
      const at = points.reduce((best, point, place) => (apart(point) < apart(points[best]) ? place : best), 0);
      return apart(points[at]) <= NEAR ? at : -1;
    };
    button.hidden = false;
    button.addEventListener("click", () => open(figure, points, 0));
    image.addEventListener("pointermove", (event) => (image.style.cursor = nearest(event) < 0 ? "" : "pointer"));
    image.addEventListener("click", (event) => nearest(event) >= 0 && open(figure, points, nearest(event)));
  }
});
