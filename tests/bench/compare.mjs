// What the benches of the page have in common: the baseline, fair turns, and lines for
// `cargo xtask bench`.

/** The design's baseline, word for word, without its timer: a bench flushes by hand. */
export const BASELINE = `
  const queue = [];
  const send = () => fetch("/v1/baseline", { method: "POST", body: JSON.stringify(queue.splice(0)) });
  const baseline = {
    track(name, fields) {
      queue.push({ t: Date.now(), name, ...fields });
      if (queue.length >= 500) send();
    },
    flush: () => queue.length && send(),
  };`;

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Medians of `measure(name)` over the rounds after the warm ones, the names taken in turn. */
export async function compare(names, rounds, warm, measure) {
  const found = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < warm + rounds; round++) {
    for (const name of names) {
      const measured = await measure(name);
      if (round >= warm) found[name].push(measured);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(found[name])]));
}

/** Prints one measurement. */
export const print = (budget, measured, baseline, within) =>
  console.log(JSON.stringify({ budget, measured, baseline, within }));

/** Where what is started registers its end, and what ends it all, last first. */
export function endings() {
  const ended = [];
  return {
    scope: { after: (end) => ended.push(end) },
    end: async () => {
      for (const end of ended.reverse()) await end();
    },
  };
}
