// The page of lib.asking: choices, curves with their intervals, and the registered tests for what is chosen.
(() => {
  "use strict";
  const { log, exp, max, min, round, log2 } = Math;
  const root = document.currentScript.closest(".asking");
  const data = globalThis.askedRows;
  const form = root.querySelector("form");
  const LEAST = data.minimum_seeds;
  const QUANTITIES = Object.keys(data.quantities);
  const MOMENTS = Object.keys(data.moments);
  const [cellOf, seedOf] = data.networks;
  const numbers = {}; // quantity -> its values, moment by moment and network by network

  const unpack = async (name) => {
    const { unit } = data.quantities[name];
    const packed = Uint8Array.from(atob(data.values[name]), (letter) => letter.charCodeAt(0));
    const bytes = new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
    const [kept, first] = unit === null ? [5, 3] : [4, 0]; // of a double the last three bytes, which come first, are left out
    const count = bytes.length / kept;
    const words = new DataView(new ArrayBuffer(8));
    numbers[name] = Float64Array.from({ length: count }, (_, at) => {
      for (let place = 0; place < kept; place++) words.setUint8(first + place, bytes[place * count + at]);
      if (unit === null) return words.getFloat64(0, true);
      return words.getUint32(0, true) ? (words.getUint32(0, true) - 1) / unit : NaN;
    });
  };
  const value = (name, moment, network) => numbers[name][MOMENTS.indexOf(moment) * cellOf.length + network];
  const key = ({ dataset, scaling, momentum, samples }) => [dataset, scaling, momentum, samples].join("_");

  // The curves of a choice before any rule about levels and seeds, as lib.verdicts.selection makes them.
  const select = (choice) => {
    const [first, last] = data.rounds[choice.round];
    const settings = data.settings.findIndex((setting) => key(setting) === choice.setting);
    const initializer = data.initializers.findIndex(({ name }) => name === choice.initializer);
    const [moment, least] = data.settings[settings].learned;
    const networks = [];
    const seeds = new Set();
    let untrained = 0;
    cellOf.forEach((cell, network) => {
      const seed = seedOf[network];
      if (data.cells[cell][0] !== settings || data.cells[cell][1] !== initializer || seed < first || seed > last) return;
      seeds.add(seed);
      const learned = value("test_accuracy", moment ?? choice.moment, network) >= least;
      if (!learned) untrained += 1;
      networks.push({ network, cell, seed, usable: learned || !choice.trained, learned });
    });
    const columns = [...seeds].sort((one, other) => one - other);
    const [at, by] = choice.x === "width" ? [3, 2] : [2, 3];
    const curves = [...new Set(networks.map(({ cell }) => data.cells[cell][by]))].sort((one, other) => one - other).map((name) => {
      const levels = [...new Set(networks.filter(({ cell }) => data.cells[cell][by] === name).map(({ cell }) => data.cells[cell][at]))];
      levels.sort((one, other) => one - other);
      const find = (level, seed) => networks.find((one) => one.seed === seed && data.cells[one.cell][at] === level && data.cells[one.cell][by] === name);
      return { name, levels, seeds: columns, networks: levels.map((level) => columns.map((seed) => find(level, seed))) };
    });
    return { curves, untrained };
  };
  const measured = (curve, name, moment, logarithm) =>
    curve.networks.map((row) =>
      row.map((found) => {
        if (!found || !found.usable) return NaN;
        const number = value(name, moment, found.network);
        return logarithm ? (number > 0 ? log(number) : NaN) : number;
      }),
    );

  // The registered tests of each curve of a choice; tests/site holds them against lib.verdicts.
  const judge = (choice) => {
    const quantity = data.quantities[choice.quantity];
    const setting = data.settings.find((one) => key(one) === choice.setting);
    const place = choice.x === "width" ? log2 : Number;
    return select(choice).curves.map((curve) => {
      const matrix = measured(curve, choice.quantity, choice.moment, quantity.log);
      const { levels, seeds } = statistics.agree(matrix, LEAST);
      const kept = {
        matrix: levels.map((level) => seeds.map((seed) => matrix[level][seed])),
        axis: levels.map((level) => place(curve.levels[level])),
        // A grid of widths that ends below 2 L³ need not have the fall.
        cutShort: choice.x === "width" && curve.levels[levels[levels.length - 1]] < 2 * curve.name ** 3,
      };
      const answers = data.questions[choice.x].map(({ statistic, alternative, margins, least_levels }) =>
        levels.length >= least_levels[setting.primary ? "primary" : "setting"]
          ? statistics.tests[statistic](kept, { alternative, margin: margins[quantity.log ? "log" : "none"] })
          : null,
      );
      return { name: curve.name, levels: levels.map((level) => curve.levels[level]), seeds: seeds.map((seed) => curve.seeds[seed]), answers };
    });
  };

  const element = (name, attributes, content) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [attribute, one] of Object.entries(attributes)) made.setAttribute(attribute, one);
    if (content !== undefined) made.textContent = content;
    return made;
  };
  const html = (name, content, attributes = {}) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...[content].flat());
    return made;
  };
  const short = (number) => {
    if (!Number.isFinite(number)) return "–";
    if (number === 0) return "0";
    const [mantissa, power] = number.toExponential(2).split("e").map(Number);
    if (power >= -3 && power < 5) return String(Number(number.toPrecision(3))).replace("-", "−");
    return `${mantissa}·10${[...String(power)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("")}`;
  };
  const probability = (p) => (p < 1e-3 ? "< .001" : String(Number(p.toPrecision(2))).replace("0.", "."));
  const letter = (x) => (x === "width" ? "L" : "m");
  const colour = (choice, name) => data.colours[choice.x === "width" ? "depth" : "width"][name];

  // Means with 95 % intervals at each level, over the seeds that are there.
  const summary = (matrix, logarithm) =>
    matrix.map((row) => {
      const there = row.filter(Number.isFinite);
      const numbers = there.length > 1 ? statistics.interval(there) : [there[0] ?? NaN, NaN, NaN];
      return { count: there.length, numbers: logarithm ? numbers.map(exp) : numbers };
    });

  const draw = (svg, choice, curves, name) => {
    const quantity = data.quantities[name];
    svg.replaceChildren();
    const { clientWidth: wide, clientHeight: tall } = svg;
    const [left, right, top, bottom] = [52, wide - 20, 24, tall - 38];
    const drawn = curves.map((curve) => summary(measured(curve, name, choice.moment, quantity.log), quantity.log));
    const place = choice.x === "width" ? log2 : Number;
    const levels = [...new Set(curves.flatMap((curve) => curve.levels))].sort((one, other) => one - other);
    const shown = drawn.flat().flatMap(({ numbers }) => numbers).filter((number) => Number.isFinite(number) && (!quantity.log || number > 0));
    svg.append(element("text", { x: 4, y: 13 }, quantity.label));
    if (!shown.length) {
      svg.append(element("text", { x: left, y: (top + bottom) / 2 }, "no row has this at that moment"));
      return;
    }
    const scale = quantity.log ? log : Number;
    let [low, high] = quantity.log ? [scale(min(...shown)), scale(max(...shown))] : [min(0, ...shown), max(1, ...shown)];
    if (quantity.log && high - low < log(1.5)) [low, high] = [low - log(1.2), high + log(1.2)];
    const [begin, end] = [place(levels[0]), place(levels[levels.length - 1])];
    const across = (level) => (end > begin ? left + ((right - left) * (place(level) - begin)) / (end - begin) : (left + right) / 2);
    const down = (number) => bottom - ((bottom - top) * (scale(number) - low)) / (high - low || 1);
    const ticks = quantity.log
      ? Array.from({ length: 30 }, (_, k) => k - 15)
          .flatMap((power) => (high - low > log(60) ? [1] : high - low > log(6) ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]).map((digit) => digit * 10 ** power))
          .filter((tick) => log(tick) >= low && log(tick) <= high)
      : [0, 0.25, 0.5, 0.75, 1];
    for (const tick of ticks) {
      svg.append(element("line", { class: "grid", x1: left, x2: right, y1: down(tick), y2: down(tick) }));
      svg.append(element("text", { x: left - 6, y: down(tick) + 4, "text-anchor": "end" }, short(tick)));
    }
    levels.forEach((level, at) => {
      svg.append(element("line", { class: "grid", x1: across(level), x2: across(level), y1: top, y2: bottom }));
      if (at === 0 || across(level) - across(levels[at - 1]) > 12)
        svg.append(element("text", { x: across(level), y: bottom + 16, "text-anchor": "middle" }, level));
    });
    svg.append(element("text", { x: (left + right) / 2, y: bottom + 33, "text-anchor": "middle" }, choice.x === "width" ? "width m" : "depth L"));
    curves.forEach((curve, at) => {
      const points = curve.levels.map((level, k) => ({ level, k, ...drawn[at][k] })).filter(({ numbers }) => Number.isFinite(numbers[0]));
      const banded = points.filter(({ numbers }) => Number.isFinite(numbers[1]) && (!quantity.log || numbers[1] > 0));
      const edge = (from, list) => list.map(({ level, numbers }) => `${across(level).toFixed(1)} ${down(numbers[from]).toFixed(1)}`);
      const ink = colour(choice, curve.name);
      if (banded.length > 1) svg.append(element("path", { class: "band", fill: ink, d: `M${[...edge(1, banded), ...edge(2, [...banded].reverse())].join("L")}Z` }));
      if (points.length) svg.append(element("path", { class: "curve", stroke: ink, d: `M${edge(0, points).join("L")}` }));
      for (const { level, k, count, numbers } of points) {
        const whole = curve.networks[k].every((found) => !found || found.learned);
        const dot = element("circle", { class: whole ? "" : "open", cx: across(level), cy: down(numbers[0]), r: 3.5, fill: ink, stroke: ink });
        const words = `${letter(choice.x)} = ${curve.name}, ${choice.x === "width" ? "m" : "L"} = ${level}`;
        dot.append(element("title", {}, `${words}: ${short(numbers[0])} [${short(numbers[1])}, ${short(numbers[2])}], ${count} seeds`));
        svg.append(dot);
      }
    });
    svg.setAttribute("aria-label", `${quantity.label} over ${choice.x}, ${curves.length} curves; the table below has the numbers.`);
  };

  const word = ({ pFor, pAgainst }) => (pAgainst < data.alpha ? "no" : pFor < data.alpha ? "yes" : "open");
  const answer = (result) => {
    if (!result) return html("td", "–", { title: "too few levels or seeds" });
    const ps = `p ${probability(result.pFor)} for, ${probability(result.pAgainst)} against`;
    const shown = html("span", word(result), { className: `chip chip-${{ yes: "supported", no: "contradicted", open: "inconclusive" }[word(result)]}` });
    return html("td", [shown, ` ${word(result) === "no" ? probability(result.pAgainst) : probability(result.pFor)}`], { title: ps });
  };
  const changed = (result, logarithm) => {
    if (!result) return "–";
    const [effect, low, high] = [result.effect, result.low, result.high].map((number) => (logarithm ? exp(number) : number));
    return `${logarithm ? "×" : ""}${short(effect)} [${short(low)}, ${short(high)}]`;
  };
  const tell = (choice, judged, { curves, untrained }) => {
    const questions = data.questions[choice.x];
    const logarithm = data.quantities[choice.quantity].log;
    const claims = (numbers) => (numbers.length ? [html("small", `claims ${numbers.join(", ")}`)] : []);
    const head = ["curve", "seeds × levels", "change", "τ"].map((name) => html("th", name, { scope: "col" }));
    root.querySelector("thead").replaceChildren(
      html("tr", [...head, ...questions.map((one) => html("th", [one.question, ...claims(one.claims)], { scope: "col" }))]),
    );
    const lines = judged.map((curve) => {
      const swatch = html("span", "", { className: "swatch" });
      swatch.style.background = colour(choice, curve.name);
      const [rises] = curve.answers;
      return html("tr", [
        html("th", [swatch, `${letter(choice.x)} = ${curve.name}`], { scope: "row" }),
        html("td", curve.levels.length ? `${curve.seeds.length} × ${curve.levels.length}` : "too few"),
        html("td", changed(rises, logarithm)),
        html("td", rises ? rises.tau.toFixed(2).replace("-", "−") : "–"),
        ...curve.answers.map(answer),
      ]);
    });
    const together = questions.map((_, at) => judged.map((curve) => curve.answers[at]).filter(Boolean));
    if (judged.length > 1) {
      const cells = together.map((results) => answer(results.length ? statistics.every(results) : null));
      lines.push(html("tr", [html("th", "every curve", { scope: "row" }), html("td", ""), html("td", ""), html("td", ""), ...cells]));
    }
    root.querySelector("tbody").replaceChildren(...lines);
    const networks = curves.flatMap((curve) => curve.networks.flat()).filter(Boolean);
    const seeds = new Set(networks.map(({ seed }) => seed)).size;
    const left = untrained ? `; ${untrained} of the networks did not learn${choice.trained ? " and are left out" : ""}` : "";
    root.querySelector(".words").textContent = networks.length
      ? `${networks.length} networks of ${seeds} seeds on ${curves.length} curves${left}.`
      : "No rows yet for this choice.";
  };

  const NAMES = ["setting", "initializer", "moment", "quantity", "x", "round"];
  const chosen = () => ({ ...Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value])), trained: form.elements.trained.checked });
  const fill = (name, options) => form.elements[name].replaceChildren(...options.map(([text, label]) => html("option", label, { value: text })));
  // Initializations without rows in a setting cannot be chosen.
  const offer = () => {
    const { setting, initializer } = chosen();
    const index = data.settings.findIndex((one) => key(one) === setting);
    const there = new Set(data.cells.filter(([one]) => one === index).map(([, one]) => one));
    fill("initializer", data.initializers.filter((_, at) => there.has(at)).map(({ name, label }) => [name, label]));
    if ([...form.elements.initializer.options].some((option) => option.value === initializer)) form.elements.initializer.value = initializer;
  };
  const show = () => {
    const choice = chosen();
    const selected = select(choice);
    draw(root.querySelector("[data-panel=quantity]"), choice, selected.curves, choice.quantity);
    draw(root.querySelector("[data-panel=accuracy]"), choice, selected.curves, "test_accuracy");
    tell(choice, judge(choice), selected);
    const words = new URLSearchParams({ ...choice, trained: choice.trained ? "yes" : "no" });
    root.querySelector(".link").href = `#${words}`;
    return words;
  };
  const restore = () => {
    const words = new URLSearchParams(location.hash.slice(1));
    const set = (name) => {
      const field = form.elements[name];
      if ([...field.options].some((option) => option.value === words.get(name))) field.value = words.get(name);
    };
    set("setting");
    offer();
    NAMES.slice(1).forEach(set);
    if (words.has("trained")) form.elements.trained.checked = words.get("trained") !== "no";
    show();
  };

  const rows = () => {
    const choice = chosen();
    const lines = [["initializer", "depth", "width", "seed", choice.quantity, "test_accuracy"].join(",")];
    for (const curve of select(choice).curves)
      for (const found of curve.networks.flat())
        if (found && found.usable) {
          const [, , depth, width] = data.cells[found.cell];
          const numbers = [choice.quantity, "test_accuracy"].map((name) => value(name, choice.moment, found.network));
          lines.push([choice.initializer, depth, width, found.seed, ...numbers.map((number) => (Number.isFinite(number) ? Number(number.toPrecision(7)) : ""))].join(","));
        }
    const link = html("a", "", { href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" })), download: "asked-rows.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  fill("setting", data.settings.map((one) => [key(one), one.label]));
  fill("moment", Object.entries(data.moments));
  fill("quantity", QUANTITIES.map((name) => [name, data.quantities[name].label]));
  fill("round", Object.entries(data.rounds).map(([number, [first, last]]) => [number, `round ${number}, seeds ${first} to ${last}`]));
  form.elements.moment.value = "epoch_50";
  form.addEventListener("submit", (event) => event.preventDefault());
  root.querySelector("[name=rows]").addEventListener("click", rows);
  globalThis.askTheRows = Promise.all(QUANTITIES.map(unpack)).then(() => {
    form.hidden = false;
    form.addEventListener("input", (event) => {
      if (event.target.name === "setting") offer();
      history.replaceState(null, "", `#${show()}`);
    });
    addEventListener("hashchange", restore);
    restore();
    new ResizeObserver(show).observe(root.querySelector(".panels")); // also when the page around it settles
    return { judge };
  });
})();
