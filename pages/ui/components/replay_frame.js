// What a run looks like at one step, and how numbers and positions are written. Needs nothing in front of it.

const nats = (value) => value.toFixed(Math.abs(value) < 0.1 ? 3 : 2);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.01 ? 1 : 0)} %`;
const isOpen = (run, at, i) => run.states[at][i] === run.mask;
const openAt = (run, at) => [...run.states[at]].filter((symbol) => symbol === run.mask).length;
const named = (run, positions) => [...positions].map((i) => run.names[i]).join(", ");

// Frame `at`: 0 is the start, k the moment of step k (counted from 1).
function frameOf(run, at) {
  const step = at > 0 ? run.steps[at - 1] : null;
  const source = run.steps[Math.max(at, 1) - 1]; // its marginals are those the step was decided on
  const committed = new Map();
  run.steps.slice(0, at).forEach((s, k) => {
    s.revoked.forEach((i) => committed.delete(i));
    s.positions.forEach((i) => committed.set(i, k + 1));
  });
  const now = new Set(step ? step.positions : []);
  const back = new Set(step ? step.revoked : []);
  const marks = new Map(); // position -> clashes so far
  for (const clash of run.clashes) {
    if ((clash.step === null ? 0 : clash.step + 1) > at) continue;
    for (const i of [clash.first, clash.second]) marks.set(i, [...(marks.get(i) || []), clash]);
  }
  return { at, step, source, committed, now, back, marks, parted: partedAt(run, at), text: run.states[at], run };
}

// Positions to mark because the other run of the pair does not do the same: those of the first other choice, in its step,
// and the first one that ends with another symbol, once it is filled for good.
function partedAt(run, at) {
  const found = new Set(run.parted && run.parted.step + 1 === at ? run.parted.positions : []);
  if (run.parted?.token && run.parted.token.step + 1 <= at) found.add(run.parted.token.position);
  return found;
}

function describeFrame({ run, at, step, back, marks }) {
  const { whole, many } = run.words, open = openAt(run, at);
  if (!step) return `${whole} before decoding, ${open} open ${many}.`;
  const committed = step.positions.map((i, k) => `${run.names[i]} ${step.symbols[k]}`).join(", ");
  const taken = back.size ? `; taken back ${named(run, back)}` : "";
  const clashing = marks.size ? `; ${marks.size} ${many} clash` : "";
  return `${whole} after step ${at}: committed ${committed}${taken}; ${open} ${many} open${clashing}.`;
}

function describePosition({ run, at, source, committed, marks, text }, i) {
  const name = run.names[i], since = committed.get(i);
  if (isOpen(run, at, i)) {
    const row = source?.marginals[i] || [];
    const best = row.map((p, k) => [p, run.symbols[k]]).sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([p]) => p > 0);
    const beliefs = best.map(([p, symbol]) => `${symbol}: ${(p / 10).toFixed(1)} %`).join(", ");
    return `${name} is open, entropy ${nats(source?.entropy[i] ?? 0)} nats. ${beliefs}`;
  }
  if (since === undefined) return `${name} was given: ${text[i]}.`;
  const step = run.steps[since - 1], k = step.positions.indexOf(i);
  const clash = (marks.get(i) || []).map((c) => run.names[c.first === i ? c.second : c.first]).join(", ");
  return `${name} = ${text[i]} since step ${since}, confidence ${percent(step.confidence[k])}, ` +
    `entropy then ${nats(step.entropy[i])} nats${clash ? `; clashes with ${clash}` : ""}.`;
}
