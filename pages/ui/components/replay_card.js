// The words and numbers of one step, and how the run ends. Needs replay_frame.js in front of it.

const TOP_PAIRS = 6;

function drawCard(host, run, at) {
  host.replaceChildren();
  const step = run.steps[at - 1];
  if (!step) return drawStart(host, run);
  const head = el("h3", host, "rp-head");
  el("span", head, "rp-step", `Step ${at} of ${run.steps.length}`);
  el("span", head, "", step.positions.length === 1 ? `1 ${run.words.one} alone` : `${step.positions.length} ${run.words.many} together`);
  el("span", head, "", `passes so far ${step.passes_so_far}`);
  el("span", head, "", `${openAt(run, at)} still open`);
  el("p", host, "rp-reason", step.reason);
  if (step.revoked.length) el("p", host, "rp-back", `↶ Taken back: ${named(run, step.revoked)}.`);
  stepClashes(host, run, at);
  budgetBar(host, run, step);
  const columns = el("div", host, "rp-columns");
  symbolTable(el("div", columns, "rp-cells"), run, step);
  miPanel(el("div", columns, "rp-mi"), run, step);
}

function drawStart(host, run) {
  const head = el("h3", host, "rp-head");
  el("span", head, "rp-step", "Before the first step");
  el("span", head, "", `${run.sequential} open ${run.sequential === 1 ? run.words.one : run.words.many}`);
  el("p", host, "rp-reason", `${run.words.start} Press → to commit the first ${run.words.many}.`);
}

function stepClashes(host, run, at) {
  const here = run.clashes.filter((clash) => clash.step === at - 1);
  if (here.length) {
    const box = el("div", host, "rp-alert");
    el("strong", box, "", `✕ ${here.length === 1 ? "1 clash" : `${here.length} clashes`} made in this step`);
    const list = el("ul", box);
    here.slice(0, 3).forEach((clash) => el("li", list, "", clash.text));
    if (here.length > 3) el("li", list, "", `and ${here.length - 3} more, listed below`);
  }
  if (run.lost_at === at - 1) el("p", host, "rp-alert", "After this step the board has no solution any more.");
}

function budgetBar(host, run, step) {
  if (step.budget === null || step.spent === null) return;
  const row = el("div", host, "rp-budget");
  el("span", row, "", `Budget spent: ${nats(step.spent)} of ${nats(step.budget)} ${run.unit}`);
  const bar = el("div", row, "rp-bar");
  const share = step.budget > 0 ? Math.min(1, step.spent / step.budget) : step.spent > 0 ? 1 : 0;
  el("div", bar, step.spent > step.budget + 1e-9 ? "rp-over" : "").style.width = `${100 * share}%`;
  if (step.spent > step.budget + 1e-9) el("span", row, "rp-note", "over budget: the first cell always goes");
}

function symbolTable(host, run, step) {
  el("h4", host, "", "Committed now, the least certain first");
  const scroll = el("div", host, "rp-scroll");
  scroll.tabIndex = 0; // so that the keyboard can scroll it
  const table = el("table", scroll);
  const head = el("tr", el("thead", table));
  [run.words.one, run.words.symbol, "confidence", "entropy"].forEach((name) => el("th", head, "", name));
  const body = el("tbody", table);
  const order = step.positions.map((_, k) => k).sort((a, b) => step.entropy[step.positions[b]] - step.entropy[step.positions[a]]);
  for (const k of order) {
    const i = step.positions[k], row = el("tr", body);
    row.dataset.positions = i;
    el("td", row, "", run.names[i]);
    el("td", row, "rp-digit", step.symbols[k]);
    const confidence = el("td", row, "rp-confidence");
    el("i", confidence).style.width = `${(100 * step.confidence[k]).toFixed(1)}%`;
    el("span", confidence, "", percent(step.confidence[k]));
    el("td", row, "", nats(step.entropy[i]));
  }
}

function miPanel(host, run, step) {
  el("h4", host, "", "Pairwise MI among them");
  if (step.positions.length < 2) return void el("p", host, "rp-note", `A ${run.words.one} that goes alone has nothing to clash with in its step.`);
  if (!run.mi_source) return void el("p", host, "rp-note", run.no_mi);
  const total = step.pairs.reduce((sum, [, , mi]) => sum + mi, 0);
  const own = step.positions.map((cell) => step.entropy[cell]);
  const bound = own.reduce((a, b) => a + b, 0) - Math.max(...own);
  const facts = el("p", host, "rp-facts");
  el("span", facts, "", `Sum of MI ${nats(total)} nats`);
  const limit = el("span", facts, "", `Bound ΣH − max H ${nats(bound)} nats`);
  limit.title = "Drawing these independently loses at most this much; MI says how much of it is real.";
  const both = el("div", host, "rp-mi-both");
  matrix(both, run, step);
  pairList(both, run, step);
}

function matrix(host, run, step) {
  const count = step.positions.length;
  const canvas = el("canvas", el("figure", host));
  const size = 4 * Math.max(42, Math.floor(220 / count) * count); // four device pixels a CSS pixel: sharp when projected
  canvas.width = canvas.height = size;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `MI between the ${count} ${run.words.many}, the strongest pairs are in the list beside it`);
  const index = new Map(step.positions.map((i, k) => [i, k]));
  const paint = canvas.getContext("2d");
  const side = size / count, gap = count > 30 ? 0 : 3;
  const square = (a, b, colour) => { paint.fillStyle = colour; paint.fillRect(b * side, a * side, side - gap, side - gap); };
  for (let a = 0; a < count; a += 1) for (let b = 0; b < count; b += 1) square(a, b, a === b ? "#8888" : css(cividis(0)));
  for (const [i, j, mi] of step.pairs) {
    const colour = css(cividis(run.mi_max ? mi / run.mi_max : 0));
    square(index.get(i), index.get(j), colour);
    square(index.get(j), index.get(i), colour);
  }
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [a, b] = [event.clientY - box.top, event.clientX - box.left].map((x) => Math.min(count - 1, Math.max(0, Math.floor((x / box.width) * count))));
    const pair = step.pairs.find(([i, j]) => (i === step.positions[a] && j === step.positions[b]) || (j === step.positions[a] && i === step.positions[b]));
    canvas.title = pair ? `${run.names[pair[0]]} and ${run.names[pair[1]]}: ${pair[2].toFixed(4)} nats` : run.names[step.positions[a]];
  });
  const scale = el("figcaption", canvas.parentElement);
  el("span", scale, "", "0");
  el("i", scale, "rp-scale");
  el("span", scale, "", `${nats(run.mi_max)} nats, the run's largest`);
}

function pairList(host, run, step) {
  const list = el("ol", host, "rp-pairs");
  for (const [i, j, mi] of step.pairs.slice(0, TOP_PAIRS)) {
    const row = el("li", list);
    row.dataset.positions = `${i},${j}`;
    el("span", row, "", `${run.names[i]} – ${run.names[j]}`);
    el("b", row, "", nats(mi));
    if (run.tagged.some(([a, b]) => a === Math.min(i, j) && b === Math.max(i, j))) el("em", row, "", run.tag);
  }
  const rest = step.pairs.length - TOP_PAIRS;
  if (rest > 0) el("li", list, "rp-note", `and ${plural(rest, "weaker pair")}`);
}

function drawEnd(host, run, jump) {
  host.replaceChildren();
  el("h3", host, "rp-head", "How this run ends");
  const facts = el("dl", host, "rp-metrics");
  const fact = (name, value, note) => {
    const box = el("div", facts);
    el("dt", box, "", name);
    el("dd", box, "", value);
    el("small", box, "", note);
  };
  fact("Passes", run.nfe, plural(run.steps.length, "step"));
  fact("Sequential needs", run.sequential, `one pass for each open ${run.words.one}`);
  const back = run.steps.reduce((sum, step) => sum + step.revoked.length, 0);
  if (back) fact("Taken back", back, "commitments that were opened again");
  run.facts.forEach((given) => fact(...given));
  if (run.lost_at !== null) jumpButton(host, `Step ${run.lost_at + 1}: from here on the board has no solution.`, () => jump(run.lost_at + 1));
  if (!run.clashes.length) return;
  el("h4", host, "", "Post-mortem of the clashes, in the order they came about");
  const list = el("div", host, "rp-clashes");
  for (const clash of run.clashes) {
    jumpButton(list, clash.text, () => jump(clash.step === null ? 0 : clash.step + 1), clash.together ? "rp-together" : "rp-apart");
  }
}

function jumpButton(host, text, action, className = "") {
  const button = el("button", host, `rp-jump ${className}`, text);
  button.type = "button";
  button.addEventListener("click", action);
}
