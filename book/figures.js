// What is behind a point of a figure or the number of a claim: seeds, keys, commit, the last audit of each row, and the
// command that trains the rows again. A click on the figure takes the nearest point; the button below it opens the list
// for those who do not point. A number of the prose that stands for some rows of a figure opens their cells, a claim's
// number those of the claim. Commits and audits of all rows are one file beside the pages, the claims' rows another, asked
// for when a dialog first needs them.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const NEAR = 16; // pixels
  const made = (name, content, attributes = {}) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.append(...[content].flat());
    return element;
  };
  const dialog = made("dialog", [], { className: "behind" });
  dialog.setAttribute("aria-label", "Rows behind a number");
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);

  const unpacked = (packed) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const packedIn = (link) => link.href.split(",")[1];
  // Without this script the same link gives the packed file.
  for (const link of document.querySelectorAll(".downloads .rows"))
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const href = URL.createObjectURL(new Blob([await unpacked(packedIn(link))], { type: "text/csv" }));
      made("a", [], { href, download: link.download.replace(/\.gz$/, "") }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
  const read = (table) => {
    const [head, ...lines] = table.trim().split("\n");
    const names = head.split(",");
    // Only lists of layers are quoted, and they stand behind what is asked for here.
    return [names, lines.map((line) => Object.fromEntries(line.split(",").map((text, at) => [names[at], text])))];
  };
  const tableOf = async (figure) => read(await unpacked(packedIn(figure.querySelector(".downloads .rows"))));
  const rowsOf = async (figure) => {
    const [, lines] = await tableOf(figure);
    return [...new Map(lines.toReversed().map((row) => [row.key, row])).values()].toReversed(); // the first of each key
  };
  // A partial build may lack a file; what is shown does without.
  const files = {};
  const loaded = (src) =>
    (files[src] ??= new Promise((done) => {
      const script = made("script", [], { src });
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
  const tell = ({ rows, points, values = [] }, at, target) => {
    const there = points[at].places.map((place) => rows[place]).sort((one, other) => one.seed - other.seed);
    const [first] = there;
    if (!first) return target.replaceChildren("Its rows are not among those of this figure.");
    const same = SETTINGS.filter((name) => first[name] && there.every((row) => row[name] === first[name]));
    const keys = [...new Set(there.map(({ key }) => key))];
    const command = `python -m lib.experiments audit results/*.jsonl ${keys.map((key) => `--key ${key}`).join(" ")}`;
    const shown = ["seed", "key", ...(first.date ? ["date"] : []), ...values];
    const lines = there.map((row) => made("tr", [...shown.map((name) => row[name] ?? ""), audit(row.key)].map((cell) => made("td", cell))));
    const words = { key: "key of the row", date: "trained" };
    const names = [...shown.map((name) => words[name] ?? name.replaceAll("_", " ")), "last audit"];
    const head = made("tr", names.map((text) => made("th", text, { scope: "col" })));
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
  // `behind` has rows, the points (or cells) that are chosen from with their places among the rows, and columns to show.
  const open = (behind, at, of = "") => {
    const list = made("select", behind.points.map(({ label }, place) => made("option", label, { value: place })));
    const target = made("div", []);
    list.value = at;
    list.setAttribute("aria-label", "point");
    list.addEventListener("input", () => tell(behind, list.value, target));
    const close = made("button", "close", { type: "button" });
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(made("p", [`Rows behind ${of}`, list, " ", close]), target);
    tell(behind, at, target);
    loaded("rows_behind.js").then(() => tell(behind, list.value, target));
    dialog.showModal();
  };
  for (const button of document.querySelectorAll("figure .points")) {
    const figure = button.closest("figure");
    const image = figure.querySelector("img");
    const points = JSON.parse(button.dataset.points).map(([left, top, label, places]) => ({ left, top, label, places }));
    const nearest = (event) => {
      const box = image.getBoundingClientRect();
      const apart = ({ left, top }) => Math.hypot(box.left + left * box.width - event.clientX, box.top + top * box.height - event.clientY);
      const at = points.reduce((best, point, place) => (apart(point) < apart(points[best]) ? place : best), 0);
      return apart(points[at]) <= NEAR ? at : -1;
    };
    const show = async (at) => open({ rows: await rowsOf(figure), points }, at);
    button.hidden = false;
    button.addEventListener("click", () => show(0));
    image.addEventListener("pointermove", (event) => (image.style.cursor = nearest(event) < 0 ? "" : "pointer"));
    image.addEventListener("click", (event) => nearest(event) >= 0 && show(nearest(event)));
  }

  // The cells of a number: its rows by the settings in which they differ, which stand before the seed, and the moment.
  const cellsOf = (names, rows) => {
    const settings = [...names.slice(1, names.indexOf("seed")), "moment"].filter((name) => rows.some((row) => row[name] !== rows[0][name]));
    const cells = new Map();
    rows.forEach((row, place) => {
      const label = settings.map((name) => `${name} ${row[name]}`).join(", ") || "all";
      cells.set(label, [...(cells.get(label) ?? []), place]);
    });
    return [...cells].map(([label, places]) => ({ label, places }));
  };
  const openCells = (names, rows, of) => {
    const values = names.slice(names.indexOf("seed") + 1).filter((name) => !["date", "epoch"].includes(name));
    open({ rows, points: cellsOf(names, rows), values }, 0, of);
  };
  // A number becomes a button, and a text again where its rows turn out not to be there.
  const asButton = (number, title, show) => {
    const button = made("button", [...number.childNodes], { type: "button", className: "number", title });
    button.addEventListener("click", async () => (await show()) || button.replaceWith(...button.childNodes));
    number.replaceChildren(button);
  };
  for (const number of document.querySelectorAll(".claims [data-claim]")) {
    const claim = number.dataset.claim;
    asButton(number, `Rows behind claim ${claim}`, async () => {
      if (!globalThis.scorecardRows) await loaded("scorecard_rows.js");
      const packed = globalThis.scorecardRows?.[claim];
      if (packed) openCells(...read(await unpacked(packed)), `claim ${claim}: `);
      return packed;
    });
  }
  for (const number of document.querySelectorAll("[data-figure][data-rows]"))
    asButton(number, "Rows behind this number", async () => {
      const figure = document.getElementById(number.dataset.figure);
      if (!figure?.querySelector(".downloads .rows")) return false;
      const [names, lines] = await tableOf(figure);
      const runs = number.dataset.rows.split(" ").map((run) => run.split("-").map(Number));
      openCells(names, runs.flatMap(([first, last]) => lines.slice(first, last + 1)), `${number.innerText}: `);
      return true;
    });
});
