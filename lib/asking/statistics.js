// The statistics of lib.verdicts on one curve: Student's tests, Page's L, equivalence, the rise and fall.
// tests/site/test_asking.py holds every number against lib.verdicts.
const statistics = (() => {
  "use strict";
  const { abs, atan, cos, max, min, sqrt, PI } = Math;
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const mean = (values) => sum(values) / values.length;
  const deviation = (values) => {
    const middle = mean(values);
    return sqrt(sum(values.map((value) => (value - middle) ** 2)) / (values.length - 1));
  };

  // P(T > t): for whole degrees of freedom Student's integral is a finite sum (Abramowitz and Stegun, 26.7.3, 26.7.4).
  const upper = (t, degrees) => {
    const angle = atan(abs(t) / sqrt(degrees));
    const square = cos(angle) ** 2;
    let [term, total] = degrees % 2 ? [cos(angle), 0] : [1, 0];
    for (let k = degrees % 2 ? 3 : 2; k <= degrees; k += 2) {
      total += term;
      term *= (square * (k - 1)) / k;
    }
    const inside = degrees % 2 ? (2 / PI) * (angle + Math.sin(angle) * total) : Math.sin(angle) * total;
    return t > 0 ? (1 - inside) / 2 : (1 + inside) / 2;
  };
  const quantiles = new Map();
  const quantile = (degrees) => {
    if (!quantiles.has(degrees)) {
      let [low, high] = [0, 1000];
      for (let k = 0; k < 200; k++) {
        const middle = (low + high) / 2;
        if (upper(middle, degrees) > 0.025) low = middle;
        else high = middle;
      }
      quantiles.set(degrees, (low + high) / 2);
    }
    return quantiles.get(degrees);
  };

  // p of "the mean is above the center" and of "below"; without spread a sample is on the side of its value.
  const oneSided = (values, center) => {
    if (values.every((value) => value === values[0])) return { above: values[0] <= center ? 1 : 0, below: values[0] >= center ? 1 : 0 };
    const t = (mean(values) - center) / (deviation(values) / sqrt(values.length));
    return { above: upper(t, values.length - 1), below: upper(-t, values.length - 1) };
  };
  const interval = (values) => {
    const half = (quantile(values.length - 1) * deviation(values)) / sqrt(values.length);
    return [mean(values), mean(values) - half, mean(values) + half];
  };

  // Each seed's least-squares slope times the length of the axis; a column a seed.
  const change = (matrix, axis) => {
    const x = axis.map((place) => place - mean(axis));
    const square = sum(x.map((value) => value * value));
    const length = max(...axis) - min(...axis);
    return matrix[0].map((_, seed) => (sum(x.map((value, level) => value * matrix[level][seed])) / square) * length);
  };

  // Ranks from 1; equal values share the mean of theirs.
  const ranks = (values) =>
    values.map((value) => values.filter((other) => other < value).length + (values.filter((other) => other === value).length + 1) / 2);
  // How many orders of k levels have each Σ j·rank_j, as shares.
  const single = new Map();
  const orders = (k) => {
    if (!single.has(k)) {
      // By subsets of ranks that the first levels have taken.
      let reached = new Map([[0, new Map([[0, 1]])]]);
      for (let level = 1; level <= k; level++) {
        const next = new Map();
        for (const [taken, sums] of reached)
          for (let rank = 1; rank <= k; rank++) {
            if (taken & (1 << (rank - 1))) continue;
            const key = taken | (1 << (rank - 1));
            if (!next.has(key)) next.set(key, new Map());
            const target = next.get(key);
            for (const [total, share] of sums) target.set(total + level * rank, (target.get(total + level * rank) || 0) + share / (k - level + 1));
          }
        reached = next;
      }
      single.set(k, [...reached.values()][0]);
    }
    return single.get(k);
  };
  const pages = new Map();
  // The exact p of Page's L: seeds are blocks, and the null distribution is the convolution of theirs.
  const page = (matrix, falling) => {
    const [levels, seeds] = [matrix.length, matrix[0].length];
    const key = `${levels} ${seeds}`;
    if (!pages.has(key)) {
      let total = new Map([[0, 1]]);
      for (let seed = 0; seed < seeds; seed++) {
        const next = new Map();
        for (const [one, share] of total) for (const [other, weight] of orders(levels)) next.set(one + other, (next.get(one + other) || 0) + share * weight);
        total = next;
      }
      pages.set(key, total);
    }
    const ordered = falling ? [...matrix].reverse() : matrix;
    let L = 0;
    for (let seed = 0; seed < seeds; seed++) L += sum(ranks(ordered.map((row) => row[seed])).map((rank, level) => (level + 1) * rank));
    // With shared ranks L may lie between whole numbers; it counts as the lower one.
    return sum([...pages.get(key)].filter(([value]) => value >= Math.floor(L)).map(([, share]) => share));
  };
  // Kendall's τ between the axis and the values of a seed, averaged over seeds.
  const kendall = (matrix) => {
    const levels = matrix.length;
    return mean(
      matrix[0].map((_, seed) => {
        let signs = 0;
        for (let i = 0; i < levels; i++) for (let j = i + 1; j < levels; j++) signs += Math.sign(matrix[j][seed] - matrix[i][seed]);
        return signs / ((levels * (levels - 1)) / 2);
      }),
    );
  };

  const pageT = ({ matrix, axis }, { alternative, margin }) => {
    const falling = alternative === "less";
    const values = change(matrix, axis);
    const signed = falling ? values.map((value) => -value) : values;
    let pFor = oneSided(signed, 0).above;
    if (matrix.length > 2) pFor = max(pFor, page(matrix, falling));
    const [effect, low, high] = interval(values);
    return { pFor, pAgainst: oneSided(signed, margin).below, effect, low, high, tau: kendall(matrix) };
  };
  const tost = ({ matrix, axis }, { margin }) => {
    const values = change(matrix, axis);
    const [lower, higher] = [oneSided(values, -margin), oneSided(values, margin)];
    const [effect, low, high] = interval(values);
    return { pFor: max(lower.above, higher.below), pAgainst: min(1, 2 * min(lower.below, higher.above)), effect, low, high };
  };
  const percentile = (sorted, share) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  };
  // `cutShort`: the grid of widths ends before the theory's fall, so that only the rise can be missed.
  const invertedU = ({ matrix, axis, cutShort }, { margin }) => {
    const count = axis.length;
    const part = (from, to) => change(matrix.slice(from, to), axis.slice(from, to));
    const lefts = [];
    for (let b = 1; b < count; b++) lefts.push(part(0, b + 1));
    const rights = [];
    for (let b = 1; b < count - 1; b++) rights.push(part(b, count));
    const rises = lefts.map((values) => oneSided(values, 0).above);
    const flats = lefts.map((values) => oneSided(values, margin).below);
    const falls = rights.map((values) => oneSided(values, 0).below);
    const levels = rights.map((values) => oneSided(values, -margin).above);
    const pAgainst = cutShort ? max(...flats) : min(1, max(...levels.map((level, b) => 2 * min(flats[b], level))));
    let pFor = min(1, rights.length * min(...falls.map((fall, b) => max(rises[b], fall))));
    const places = redraws.argmaxes(matrix).map((at) => axis[at]).sort((one, other) => one - other);
    const [low, high] = [percentile(places, 0.025), percentile(places, 0.975)];
    if (!(axis[0] < low && high < axis[count - 1])) pFor = 1;
    const means = matrix.map(mean);
    return { pFor, pAgainst, effect: axis[means.indexOf(max(...means))], low, high };
  };

  // Which levels and seeds count (rule 5 of the register): levels with enough seeds; then, while too few seeds have all
  // of them, the level that most seeds lack goes, of equals the last.
  const agree = (matrix, least) => {
    const there = matrix.map((row) => row.map(Number.isFinite));
    const lacking = there.map((row) => row.filter((here) => !here).length);
    let stay = matrix.map((_, level) => level).filter((level) => there[level].filter(Boolean).length >= least);
    while (stay.length) {
      const seeds = matrix[0].map((_, seed) => seed).filter((seed) => stay.every((level) => there[level][seed]));
      if (seeds.length >= least) return { levels: stay, seeds };
      const most = max(...stay.map((level) => lacking[level]));
      stay.splice(stay.findLastIndex((level) => lacking[level] === most), 1);
    }
    return { levels: [], seeds: [] };
  };

  const every = (results) => ({
    pFor: max(...results.map((result) => result.pFor)),
    pAgainst: min(1, results.length * min(...results.map((result) => result.pAgainst))),
  });

  return { mean, interval, agree, every, tests: { page_t: pageT, tost, inverted_u: invertedU } };
})();
