// Draws lib.theory.bounds.theorem1_terms and lib.theory.initialization.mean_stability; tests/site/test_explorer.py holds
// the drawn points against both. Everything is a natural logarithm until it is drawn, so nothing leaves a float's range.
(() => {
  "use strict";
  const { log, exp, max, min, round, floor, ceil, LN10 } = Math;
  const CURVES = ["plateau", "transition", "exact", "bound"]; // in the order of painting
  const GAMMAS = Array.from({ length: 21 }, (_, k) => (50 + 5 * k) / 100);
  const WIDTHS = Array.from({ length: 41 }, (_, k) => round(2 ** (4 + k / 4)));
  const DEPTHS = Array.from({ length: 15 }, (_, k) => k + 2);
  const INPUTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 784, 1024, 2048, 3072, 4096];
  const OUTPUTS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16];
  // β_1², β² and β_L², as lib.initializers has them.
  const VARIANCES = {
    lecun: (m, d, o) => [1 / d, 1 / m, 1 / m],
    he: (m, d, o) => [2 / d, 2 / m, 2 / m],
    ntk: (m, d, o) => [2 / m, 2 / m, 1 / o],
    "ntk-slides": (m, d, o) => [2 / m, 2 / m, 1],
    gamma: (m, d, o, gamma) => [2 / d, (gamma * gamma * 2) / m, 2 / m],
  };

  // E χ_k for k = 0, 1, ...: the product of neighbours is E χ_k · E χ_{k+1} = k.
  const chi = [0, Math.sqrt(2 / Math.PI)];
  const meanChi = (k) => {
    while (chi.length <= k) chi.push((chi.length - 1) / chi[chi.length - 1]);
    return chi[k];
  };
  // log E χ_N for N ~ Binomial(m, ½), the factor of one hidden layer; its weights run outwards from the middle.
  const layers = new Map();
  const logLayer = (m) => {
    if (!layers.has(m)) {
      const middle = floor(m / 2);
      let [weight, total, sum] = [1, 1, meanChi(middle)];
      for (let k = middle; k > 0 && weight > 1e-20; k--) {
        weight *= k / (m - k + 1);
        total += weight;
        sum += weight * meanChi(k - 1);
      }
      weight = 1;
      for (let k = middle; k < m && weight > 1e-20; k++) {
        weight *= (m - k) / (k + 1);
        total += weight;
        sum += weight * meanChi(k + 1);
      }
      layers.set(m, log(sum / total));
    }
    return layers.get(m);
  };

  const logarithms = ({ width: m, depth: L, inputs: d, outputs: o, initializer, gamma }) => {
    const [first, hidden, last] = VARIANCES[initializer](m, d, o, gamma).map((variance) => log(variance) / 2);
    const common = log(m) / 2 + first + last + (L - 2) * (hidden - log(2 / m) / 2);
    const transition = common + (3 * log(L) + log(m)) / 2 - m / L ** 3;
    const plateau = common + log(o) / 2;
    const larger = max(transition, plateau);
    return {
      transition,
      plateau,
      bound: larger + log(exp(transition - larger) + exp(plateau - larger)),
      exact: log(d / (d + 1)) + first + (L - 2) * hidden + last + (L - 1) * logLayer(m) + log(meanChi(o)),
    };
  };

  const superscript = (value) => [...String(value)].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("");
  const text = (logarithm) => {
    const value = exp(logarithm);
    if (value >= 1e-3 && value < 1e5) return String(Number(value.toPrecision(4)));
    const power = floor(logarithm / LN10);
    return `${exp(logarithm - power * LN10).toFixed(3)} · 10${superscript(power)}`;
  };
  const element = (name, attributes, content) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (content !== undefined) made.textContent = content;
    return made;
  };

  const start = (root, serial) => {
    const chosen = JSON.parse(root.dataset.start);
    const stops = { gamma: GAMMAS, depth: DEPTHS, inputs: INPUTS };
    // Theorem 1 has no more outputs than neurons, wherever the two sliders stand.
    stops.width = WIDTHS.filter((m) => m >= chosen.outputs);
    stops.outputs = OUTPUTS.filter((o) => o <= min(chosen.width, ...stops.width));
    const control = (name) => root.querySelector(`[name="${name}"]`);
    for (const [name, values] of Object.entries(stops)) {
      stops[name] = [...new Set([...values, chosen[name]])].sort((one, other) => one - other);
      Object.assign(control(name), { min: 0, max: stops[name].length - 1, step: 1, value: stops[name].indexOf(chosen[name]) });
    }
    control("initializer").value = chosen.initializer;

    const panel = (svg, axis, state, low, high) => {
      const { clientWidth: wide, clientHeight: tall } = svg;
      const [left, right, top, bottom] = [46, wide - 12, 22, tall - 42];
      const values = stops[axis];
      const [place, ticks] =
        axis === "width" ? [Math.log2, values.filter((m) => Number.isInteger(Math.log2(m) / 2))] : [Number, values.filter((L) => L % 2 === 0)];
      const [begin, end] = [place(values[0]), place(values[values.length - 1])];
      const across = (value) => left + ((right - left) * (place(value) - begin)) / (end - begin);
      const down = (decades) => bottom - ((bottom - top) * (decades - low)) / (high - low);
      svg.replaceChildren();
      // What a reader of the picture needs to turn a point back into numbers.
      Object.assign(svg.dataset, { left, right, top, bottom, low, high, begin, end });
      const every = ceil((high - low) / 8);
      for (let decade = low; decade <= high; decade += every) {
        const y = down(decade);
        svg.append(element("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
        svg.append(element("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, `10${superscript(decade)}`));
      }
      for (const tick of ticks) {
        const x = across(tick);
        svg.append(element("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
        svg.append(element("text", { x, y: bottom + 18, "text-anchor": "middle" }, axis === "width" ? `2${superscript(Math.log2(tick))}` : tick));
      }
      const fixed = axis === "width" ? `depth L = ${state.depth}` : `width m = ${state.width}`;
      svg.append(element("text", { x: left, y: 13 }, `P/ε against ${axis}, at ${fixed}`));
      svg.append(element("text", { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" }, axis === "width" ? "width m" : "depth L"));
      const here = across(state[axis]);
      svg.append(element("line", { class: "here", x1: here, x2: here, y1: top, y2: bottom }));
      const points = values.map((value) => [across(value), logarithms({ ...state, [axis]: value })]);
      for (const curve of CURVES) {
        // What leaves the panel is drawn along its lower edge's outside: the first term falls below every float.
        const clipped = points.map(([x, logs]) => [x, down(max(logs[curve] / LN10, low - 1))]);
        let d = "";
        clipped.forEach(([x, y], k) => {
          const [before, after] = [clipped[k - 1]?.[1] ?? y, clipped[k + 1]?.[1] ?? y];
          if (y > bottom && before > bottom && after > bottom) return;
          d += `${d ? "L" : "M"}${x.toFixed(3)} ${y.toFixed(3)}`;
        });
        const id = `theorem1-explorer-${axis}-${serial}`;
        svg.append(element("path", { "data-curve": curve, d, "clip-path": `url(#${id})` }));
        if (curve === CURVES[0]) {
          const clip = element("clipPath", { id });
          clip.append(element("rect", { x: left, y: top - 2, width: max(0, right - left), height: bottom - top + 2 }));
          svg.prepend(clip);
        }
      }
      const now = CURVES.map((curve) => `${curve} ${text(logarithms(state)[curve])}`).join(", ");
      svg.setAttribute("aria-label", `Bound (3), its two terms and the exact stability at initialization against the ${axis}, at ${fixed}. At m = ${state.width}, L = ${state.depth}: ${now}.`);
    };

    const draw = () => {
      const state = { initializer: control("initializer").value };
      for (const [name, values] of Object.entries(stops)) {
        const input = control(name);
        state[name] = values[input.value];
        input.setAttribute("aria-valuetext", state[name]);
        input.parentElement.querySelector("output").value = state[name];
      }
      control("gamma").parentElement.hidden = state.initializer !== "gamma";
      const logs = ["width", "depth"].flatMap((axis) => stops[axis].map((value) => logarithms({ ...state, [axis]: value })));
      const low = floor(min(...logs.map(({ plateau, exact }) => min(plateau, exact))) / LN10);
      const high = ceil(max(...logs.map(({ bound }) => bound)) / LN10);
      for (const svg of root.querySelectorAll(".panels > svg")) panel(svg, svg.dataset.axis, state, low, high);
      const now = logarithms(state);
      now.ratio = now.bound - now.exact;
      for (const cell of root.querySelectorAll("[data-value]")) cell.textContent = text(now[cell.dataset.value]);
    };
    root.querySelector(".controls").addEventListener("input", draw);
    new ResizeObserver(draw).observe(root.querySelector(".panels"));
    draw();
    root.dataset.ready = "";
  };
  document.querySelectorAll(".theorem1-explorer").forEach((root, serial) => "ready" in root.dataset || start(root, serial));
})();
