// Replay: all frames of one or more decoding runs on one timeline. Nothing here asks the server.
// data: { runs: [run, ...], step: number | null, sync, divergence, keys, script }, see pages/ui/replay_payload.py.
// A place on the timeline is a stop. With one run the stops are its steps; two runs are matched by the passes they have
// taken or by how much they have committed, and each shows the latest step that a stop has reached.

const SPEEDS = [["½ ×", 2000], ["1 ×", 1000], ["2 ×", 500], ["4 ×", 250]];
const LEGEND_TWO = " ◆ dashed: where the runs part.";
const STAGES = { board: makeBoardStage, protein: makeProteinStage };
const SIDES = ["A", "B"];
const SYNCS = ["committed", "passes"];

const ICONS = { // paths on a 16 x 16 grid
  first: "M2 2h2.4v12H2zM14 2v12L5.5 8z",
  previous: "M12.5 2v12L3.5 8z",
  play: "M4 2v12l9.5-6z",
  pause: "M3 2h3.6v12H3zM9.4 2H13v12H9.4z",
  next: "M3.5 2v12l9-6z",
  last: "M11.6 2H14v12h-2.4zM2 2v12l8.5-6z",
};

function icon(name) {
  const root = svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" });
  svg("path", { d: ICONS[name], fill: "currentColor" }, root);
  return root;
}

// What a run has behind it before the first step and after each one; never falls, also where commitments are taken back.
function progress(run, sync) {
  if (sync === "passes") return [0, ...run.steps.map((step) => step.passes_so_far)];
  const filled = run.states.map((_, k) => run.sequential - openAt(run, k));
  return filled.map((_, k) => Math.max(...filled.slice(0, k + 1)));
}

// [{ mark, frames: [frame of each run] }]
function stopsOf(runs, sync) {
  if (runs.length === 1) return runs[0].states.map((_, k) => ({ mark: k, frames: [k] }));
  const all = runs.map((run) => progress(run, sync));
  const marks = [...new Set(all.flat())].sort((a, b) => a - b);
  return marks.map((mark) => ({ mark, frames: all.map((values) => values.filter((value) => value <= mark).length - 1) }));
}

class RunView {
  constructor(host, run, player, side) {
    Object.assign(this, { run, player, side, root: el("section", host, "rp-run") });
    const head = el("p", this.root, "rp-title");
    if (player.two) el("b", head, `rp-side-name rp-side-${SIDES[side]}`, SIDES[side]);
    el("strong", head, "", run.title);
    el("span", head, "", run.knobs);
    const body = el("div", this.root, "rp-body");
    const column = el("div", body, "rp-side");
    const stageHost = el("div", column, "rp-board-host");
    this.hint = el("p", column, "rp-hint");
    this.stage = STAGES[run.kind](stageHost, run, {
      script: player.data.script,
      onPoint: (i) => this.hintText(i),
      onPick: (i) => this.follow(i),
    });
    this.tools(el("div", column, "rp-tools"));
    if (!player.two) el("p", column, "rp-legend", run.words.legend);
    this.card = el("div", body, "rp-card");
    this.card.addEventListener("pointerover", (event) => this.point(event));
    this.card.addEventListener("pointerleave", () => this.stage.mark([]));
    this.live = el("p", column, "rp-live");
    this.live.setAttribute("aria-live", "polite");
    this.end = el("div", this.root, "rp-end");
    drawEnd(this.end, run, (step) => player.seek(side, step));
  }

  tools(host) {
    const label = el("label", host, "rp-check");
    this.links = el("input", label);
    this.links.type = "checkbox";
    this.links.checked = true;
    el("span", label, "", "MI links");
    this.links.addEventListener("change", () => this.show(this.frame.at));
    for (const [kind, save] of this.stage.saves) {
      const button = el("button", host, "rp-save", kind);
      button.type = "button";
      button.title = `Save this picture: ${kind}`;
      button.addEventListener("click", () => save(`replay-${this.player.two ? `${SIDES[this.side]}-` : ""}step-${this.frame.at}`));
    }
  }

  show(at) {
    this.frame = frameOf(this.run, Math.min(at, this.run.steps.length));
    this.stage.show(this.frame, this.links.checked);
    drawCard(this.card, this.run, this.frame.at);
    this.live.textContent = [".rp-head", ".rp-reason", ".rp-alert"].map((part) => this.card.querySelector(part)?.textContent ?? "").join(". ");
    this.hintText(null);
  }

  // Positions named in the line of the card under the pointer are marked in the picture.
  point(event) {
    const line = event.target.closest("[data-positions]");
    this.stage.mark(line ? line.dataset.positions.split(",").map(Number) : []);
  }

  hintText(i) {
    const { one } = this.run.words;
    this.hint.textContent = i === null ? `Point at a ${one} for its numbers; click a filled one to go to its step.` : describePosition(this.frame, i);
  }

  follow(i) {
    const at = this.frame.committed.get(i);
    if (at !== undefined) this.player.seek(this.side, at);
  }
}

class Timeline {
  constructor(host, player) {
    this.player = player;
    this.root = el("div", host, "rp-timeline");
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "slider");
    this.root.setAttribute("aria-label", "Step");
    this.root.setAttribute("aria-valuemin", "0");
    this.ticks = [];
    const drag = (event) => { if (event.buttons & 1) player.jump(this.at(event)); };
    this.root.addEventListener("pointerdown", (event) => {
      this.root.setPointerCapture(event.pointerId);
      player.jump(this.at(event));
    });
    this.root.addEventListener("pointermove", drag);
  }

  at(event) {
    const box = this.root.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.max(0, Math.min(this.ticks.length - 1, Math.floor(share * this.ticks.length)));
  }

  // A lane for each run, the second one upside down: how much it commits on the way to each stop, ✕ where it clashes.
  load(runs, stops, parted) {
    this.root.replaceChildren();
    this.root.classList.toggle("rp-lanes", runs.length > 1);
    const news = stops.map((stop, k) => runs.map((run, r) => newsOf(run, k ? stops[k - 1].frames[r] : 0, stop.frames[r])));
    const most = Math.max(1, ...news.flat().map((n) => n.count));
    this.root.setAttribute("aria-valuemax", stops.length - 1);
    this.ticks = stops.map((stop, k) => {
      const tick = el("div", this.root, "rp-tick");
      const said = runs.map((_, r) => lane(tick, news[k][r], most, k, r));
      if (k === parted) el("span", tick, "rp-parted", "◆");
      const head = runs.length > 1 ? stop.mark : `Step ${stop.mark}`;
      tick.title = !k ? "Start" : runs.length === 1 ? `${head}: ${said[0]}` : `${head}. ${said.map((text, r) => `${SIDES[r]}: ${text}`).join(". ")}`;
      return tick;
    });
  }

  show(at) {
    this.ticks.forEach((tick, k) => {
      tick.classList.toggle("rp-past", k < at);
      tick.classList.toggle("rp-current", k === at);
    });
    this.root.setAttribute("aria-valuenow", at);
    this.root.setAttribute("aria-valuetext", at ? this.ticks[at].title : "Start");
  }
}

function newsOf(run, from, to) {
  const steps = run.steps.slice(from, to);
  return {
    count: steps.reduce((sum, step) => sum + step.positions.length, 0),
    words: run.words,
    clashes: run.clashes.filter((c) => c.step !== null && c.step >= from && c.step < to).length,
  };
}

function lane(tick, news, most, k, side) {
  const flag = () => el("span", tick, "rp-flag", k && news.clashes ? "✕" : "");
  if (side === 0) flag();
  const bars = el("div", tick, `rp-bars rp-lane-${SIDES[side]}`);
  el("i", bars).style.height = !k ? "3px" : news.count ? `${8 + (92 * news.count) / most}%` : "0";
  if (side === 1) flag();
  return `${plural(news.count, news.words.one)}${news.clashes ? `, clashes made: ${news.clashes}` : ""}`;
}

class Player {
  constructor(root) {
    this.root = root;
    this.step = 0;
    this.length = 0;
    this.sync = SYNCS[0];
    this.transport(el("div", root, "rp-transport"));
    this.pairHost = el("div", root, "rp-pair");
    this.runsHost = el("div", root, "rp-runs");
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  transport(host) {
    const buttons = el("div", host, "rp-buttons");
    const button = (sign, label, action) => {
      const node = el("button", buttons);
      node.appendChild(icon(sign));
      node.type = "button";
      node.title = label;
      node.setAttribute("aria-label", label);
      node.addEventListener("click", action);
      return node;
    };
    button("first", "First step (Home)", () => this.jump(0));
    button("previous", "Previous step (Left)", () => this.jump(this.step - 1));
    this.playButton = button("play", "Play (Space)", () => this.toggle());
    this.playButton.classList.add("rp-play");
    button("next", "Next step (Right)", () => this.jump(this.step + 1)).classList.add("rp-next");
    button("last", "Last step (End)", () => this.jump(this.length));
    this.speed = el("select", buttons);
    this.speed.setAttribute("aria-label", "Speed");
    SPEEDS.forEach(([name, delay]) => { el("option", this.speed, "", name).value = delay; });
    this.speed.value = "1000";
    this.speed.addEventListener("change", () => { if (this.timer) { this.stop(); this.toggle(); } });
    this.timeline = new Timeline(host, this);
    this.position = el("output", host, "rp-position");
  }

  load(data, first) {
    const key = data.runs.map((run) => run.id).join();
    if (key === this.loaded) return;
    this.stop();
    this.loaded = key;
    this.data = data;
    this.two = data.runs.length > 1;
    if (first) this.sync = data.sync;
    this.runsHost.replaceChildren();
    this.runsHost.classList.toggle("rp-two", this.two);
    this.views = data.runs.map((run, side) => new RunView(this.runsHost, run, this, side));
    if (this.two) el("p", this.runsHost, "rp-legend", data.runs[0].words.legend + LEGEND_TWO);
    this.match();
    this.drawPair();
    this.go(first && data.step !== null ? data.step : 1, !first);
  }

  // The stops of the present way to match the runs.
  match() {
    this.stops = stopsOf(this.data.runs, this.sync);
    this.length = this.stops.length - 1;
    const parted = this.data.divergence;
    this.timeline.load(this.data.runs, this.stops, parted ? this.firstAt(parted.choice.steps) : null);
  }

  // The first stop at which one of the runs shows its step of `steps` (counted from 0).
  firstAt(steps) {
    return this.stops.findIndex((stop) => stop.frames.some((frame, r) => frame > steps[r]));
  }

  seek(side, frame) {
    this.jump(this.stops.findIndex((stop) => stop.frames[side] >= frame));
  }

  // What only a pair has: how its runs are matched, and where they part.
  drawPair() {
    this.pairHost.replaceChildren();
    if (!this.two) return;
    const choice = el("div", this.pairHost, "rp-sync");
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", "Match the runs by");
    el("span", choice, "", "Match by");
    this.syncButtons = SYNCS.map((sync) => {
      const button = el("button", choice, "", sync === "passes" ? sync : `${this.data.runs[0].words.many} committed`);
      button.type = "button";
      button.setAttribute("aria-pressed", sync === this.sync);
      button.addEventListener("click", () => this.matchBy(sync));
      return button;
    });
    this.drawParting(el("div", this.pairHost, "rp-parting"));
  }

  drawParting(host) {
    const parted = this.data.divergence;
    if (!parted) return void el("p", host, "", "◆ Both runs make the same choices, step by step.");
    const { choice, token } = parted;
    const text = `◆ They first part in step ${choice.steps[0] + 1}. ${choice.text}`;
    jumpButton(host, text, () => this.jump(this.firstAt(choice.steps)), "rp-first-choice");
    if (!token) return void el("p", host, "rp-note", `Every ${this.data.runs[0].words.one} ends with the same ${this.data.runs[0].words.symbol} in both.`);
    jumpButton(host, `◆ First other ${this.data.runs[0].words.symbol}: ${token.text}`, () => this.jump(this.firstAt(token.steps)), "rp-first-digit");
  }

  // Another way to match; run A stays where it is.
  matchBy(sync) {
    const frame = this.stops[this.step].frames[0];
    this.stop();
    this.sync = sync;
    this.syncButtons.forEach((button, k) => button.setAttribute("aria-pressed", SYNCS[k] === sync));
    this.match();
    this.go(this.stops.findIndex((stop) => stop.frames[0] >= frame));
  }

  go(step, remember = true) {
    this.step = Math.max(0, Math.min(this.length, Math.round(step) || 0));
    const stop = this.stops[this.step];
    this.views.forEach((view, side) => view.show(stop.frames[side]));
    this.timeline.show(this.step);
    const unit = !this.two ? "" : this.sync === "passes" ? " passes" : ` ${this.data.runs[0].words.many}`;
    this.position.textContent = `${stop.mark} / ${this.stops[this.length].mark}${unit}`;
    if (remember) rememberStep(this.data.keys, this.step, this.two ? this.sync : null);
  }

  jump(step) {
    this.stop();
    this.go(step);
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.step >= this.length) this.go(0);
    this.timer = setInterval(() => {
      if (!this.root.isConnected || this.step >= this.length) return this.stop();
      this.go(this.step + 1);
    }, Number(this.speed.value));
    this.face("pause", "Pause (Space)");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.face("play", "Play (Space)");
  }

  face(sign, label) {
    this.playButton.replaceChildren(icon(sign));
    this.playButton.title = label;
    this.playButton.setAttribute("aria-label", label);
  }

  key(event) {
    if (!this.root.isConnected) return document.removeEventListener("keydown", this.onKey);
    const actions = {
      ArrowLeft: () => this.jump(this.step - 1), ArrowRight: () => this.jump(this.step + 1),
      Home: () => this.jump(0), End: () => this.jump(this.length), " ": () => this.toggle(),
    };
    const action = actions[event.key];
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || this.busy(event.key)) return;
    event.preventDefault();
    action();
  }

  // Whether the focused element has its own use for the key.
  busy(key) {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    if (!focused || focused === document.body) return false;
    if (this.root.contains(focused)) return focused.matches("select") || (key === " " && focused.matches("button, input"));
    const own = "input, textarea, select, [contenteditable=true], [role=slider], [role=radio], [role=tab], [role=combobox]";
    return focused.closest(own) !== null || (key === " " && focused.closest("button, a, summary") !== null);
  }
}

// The step stands in the address without a trip to the server: a copied link opens here again.
function rememberStep(keys, step, sync) {
  const url = new URL(window.location.href);
  if (!url.protocol.startsWith("http")) return;
  url.searchParams.set(keys.step, step);
  if (sync) url.searchParams.set(keys.sync, sync);
  else url.searchParams.delete(keys.sync);
  if (url.href === window.location.href) return;
  window.history.replaceState(window.history.state, "", url);
}

export default function (component) {
  const { data, parentElement } = component;
  let root = parentElement.querySelector(".rp");
  const first = !root?.player;
  root ||= el("div", parentElement, "rp");
  root.player ||= new Player(root);
  root.player.load(data, first);
  return () => {
    root.player.stop();
    document.removeEventListener("keydown", root.player.onKey);
  };
}
