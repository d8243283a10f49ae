// The residual redraws of lib.verdicts.peaks, with the numbers that numpy draws: SeedSequence, PCG64 and Lemire's method.
const redraws = (() => {
  "use strict";
  const REDRAWS = 10_000;
  const { imul, sqrt } = Math;
  const MASK = (1n << 64n) - 1n;
  const WIDE = (1n << 128n) - 1n;
  const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

  // O'Neill's seed sequence: a pool of four words from the entropy, then as many words as are asked for.
  const seeded = (entropy) => {
    let constant = 0x43b0d7e5;
    const hash = (word) => {
      word ^= constant;
      constant = imul(constant, 0x931e8875);
      word = imul(word, constant);
      return word ^ (word >>> 16);
    };
    const mix = (x, y) => {
      const mixed = imul(x, 0xca01f9dd) - imul(y, 0x4973f715);
      return mixed ^ (mixed >>> 16);
    };
    const pool = Array.from({ length: 4 }, (_, at) => hash(at < entropy.length ? entropy[at] : 0));
    for (let from = 0; from < 4; from++) for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    constant = 0x8b51f9dd;
    const words = Array.from({ length: 8 }, (_, at) => {
      let word = pool[at % 4] ^ constant;
      constant = imul(constant, 0x58f38ded);
      word = imul(word, constant);
      return BigInt((word ^ (word >>> 16)) >>> 0);
    });
    return [0, 2, 4, 6].map((at) => words[at] | (words[at + 1] << 32n));
  };

  // A generator of 32-bit words: a 128-bit congruential state, its halves folded and turned (PCG-XSL-RR), low half first.
  const generator = (entropy) => {
    const [high, low, highest, lowest] = seeded(entropy);
    const increment = ((((highest << 64n) | lowest) << 1n) | 1n) & WIDE;
    let state = increment;
    const step = () => (state = (state * MULTIPLIER + increment) & WIDE);
    state = (state + ((high << 64n) | low)) & WIDE;
    step();
    let waiting = -1;
    return () => {
      if (waiting >= 0) {
        const word = waiting;
        waiting = -1;
        return word;
      }
      step();
      const folded = ((state >> 64n) ^ state) & MASK;
      const turn = state >> 122n;
      const word = ((folded >> turn) | (folded << (64n - turn))) & MASK;
      waiting = Number(word >> 32n);
      return Number(word & 0xffffffffn);
    };
  };

  const drawn = new Map();
  // Which residuals each redraw takes: numpy's default_rng([pool, cells, seeds]).integers(0, pool, (redraws, cells, seeds)).
  const draws = (cells, seeds) => {
    const pool = cells * seeds;
    const key = `${cells} ${seeds}`;
    if (!drawn.has(key)) {
      const next = generator([pool, cells, seeds]);
      const threshold = (2 ** 32 - pool) % pool;
      const found = new Uint16Array(REDRAWS * pool);
      for (let at = 0; at < found.length; at++) {
        let product = next() * pool;
        while (product % 2 ** 32 < threshold) product = next() * pool;
        found[at] = Math.floor(product / 2 ** 32);
      }
      drawn.set(key, found);
    }
    return drawn.get(key);
  };

  // The place of the largest mean in each redraw of the residuals about the cells' means.
  const argmaxes = (matrix) => {
    const [cells, seeds] = [matrix.length, matrix[0].length];
    const means = matrix.map((row) => row.reduce((total, value) => total + value, 0) / seeds);
    const residuals = matrix.flatMap((row, cell) => row.map((value) => (value - means[cell]) * sqrt(seeds / (seeds - 1))));
    const chosen = draws(cells, seeds);
    return Array.from({ length: REDRAWS }, (_, redraw) => {
      let [best, place] = [-Infinity, 0];
      for (let cell = 0; cell < cells; cell++) {
        let total = 0;
        for (let seed = 0; seed < seeds; seed++) total += residuals[chosen[(redraw * cells + cell) * seeds + seed]];
        const value = means[cell] + total / seeds;
        if (value > best) [best, place] = [value, cell];
      }
      return place;
    });
  };
  return { argmaxes, draws };
})();
