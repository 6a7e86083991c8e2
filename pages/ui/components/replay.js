// Replay: all frames of one or more decoding runs on one timeline. Nothing here asks the server.
// data: { runs: [run, ...], step: number | null }, see pages/ui/replay_payload.py.

const SPEEDS = [["½ ×", 2000], ["1 ×", 1000], ["2 ×", 500], ["4 ×", 250]];
const LEGEND = "Ring: committed in this step. Small number: the step that filled the cell. Lines: MI of the strongest pairs " +
  "committed together. Tint of an open cell: its entropy. ✕ hatched: clash. ≠ differs from the only solution.";
const PARAM = "re_step";

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

class RunView {
  constructor(host, run, player) {
    Object.assign(this, { run, player, root: el("section", host, "rp-run") });
    const head = el("p", this.root, "rp-title");
    el("strong", head, "", run.title);
    el("span", head, "", run.knobs);
    const body = el("div", this.root, "rp-body");
    const side = el("div", body, "rp-side");
    this.boardHost = el("div", side, "rp-board-host");
    this.hint = el("p", side, "rp-hint");
    this.tools(el("div", side, "rp-tools"));
    el("p", side, "rp-legend", LEGEND);
    this.card = el("div", body, "rp-card");
    this.card.addEventListener("pointerover", (event) => this.point(event));
    this.card.addEventListener("pointerleave", () => this.mark([]));
    this.live = el("p", side, "rp-live");
    this.live.setAttribute("aria-live", "polite");
    this.end = el("div", this.root, "rp-end");
    drawEnd(this.end, run, (step) => player.jump(step));
    this.boardHost.addEventListener("pointerover", (event) => this.hover(event));
    this.boardHost.addEventListener("pointerleave", () => this.hintText());
    this.boardHost.addEventListener("click", (event) => this.follow(event));
  }

  tools(host) {
    const label = el("label", host, "rp-check");
    this.links = el("input", label);
    this.links.type = "checkbox";
    this.links.checked = true;
    el("span", label, "", "MI links");
    this.links.addEventListener("change", () => this.show(this.frame.at));
    for (const kind of ["PNG", "SVG"]) {
      const button = el("button", host, "rp-save", kind);
      button.type = "button";
      button.title = `Save this board as ${kind}`;
      button.addEventListener("click", () => this.save(kind));
    }
  }

  show(at) {
    this.frame = frameOf(this.run, Math.min(at, this.run.steps.length));
    this.board = drawBoard(this.frame, this.links.checked);
    this.boardHost.replaceChildren(this.board);
    drawCard(this.card, this.run, this.frame.at);
    this.live.textContent = [".rp-head", ".rp-reason", ".rp-alert"].map((part) => this.card.querySelector(part)?.textContent ?? "").join(". ");
    this.hintText();
  }

  // Cells named in the line of the card under the pointer are outlined on the board.
  point(event) {
    const line = event.target.closest("[data-cells]");
    this.mark(line ? line.dataset.cells.split(",") : []);
  }

  mark(cells) {
    for (const rect of this.board.querySelectorAll("[data-cell]")) {
      rect.classList.toggle("rp-pointed", cells.includes(rect.dataset.cell));
    }
  }

  hover(event) {
    const cell = event.target.dataset?.cell;
    if (cell !== undefined) this.hintText(Number(cell));
  }

  hintText(cell) {
    this.hint.textContent = cell === undefined ? "Point at a cell for its numbers; click a filled one to go to its step." : this.describe(cell);
  }

  describe(cell) {
    const { frame, run } = this, at = frame.committed.get(cell);
    if (frame.text[cell] === ".") {
      const row = frame.source?.marginals[cell] || [];
      const best = row.map((p, k) => [p, k + 1]).sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([p]) => p > 0);
      const beliefs = best.map(([p, digit]) => `${digit}: ${(p / 10).toFixed(1)} %`).join(", ");
      return `${cellName(cell)} is open, entropy ${nats(frame.source?.entropy[cell] ?? 0)} nats. ${beliefs}`;
    }
    if (at === undefined) return `${cellName(cell)} was given: ${frame.text[cell]}.`;
    const step = run.steps[at - 1], k = step.cells.indexOf(cell);
    const clash = (frame.marks.get(cell) || []).map((c) => cellName(c.first === cell ? c.second : c.first)).join(", ");
    return `${cellName(cell)} = ${frame.text[cell]} since step ${at}, confidence ${percent(step.confidence[k])}, ` +
      `entropy then ${nats(step.entropy[cell])} nats${clash ? `; clashes with ${clash}` : ""}.`;
  }

  follow(event) {
    const at = this.frame.committed.get(Number(event.target.dataset?.cell));
    if (at !== undefined) this.player.jump(at);
  }

  save(kind) {
    const text = boardText(this.board, this.root);
    const name = `replay-step-${this.frame.at}`;
    const picture = new Blob([text], { type: "image/svg+xml" });
    if (kind === "SVG") return offer(picture, `${name}.svg`);
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 3 * SIZE;
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => offer(blob, `${name}.png`), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  }
}

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
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

  load(runs, length) {
    this.root.replaceChildren();
    const counts = (k) => runs.map((run) => run.steps[k - 1]?.cells.length ?? 0);
    const most = Math.max(1, ...runs.flatMap((run) => run.steps.map((step) => step.cells.length)));
    this.root.setAttribute("aria-valuemax", length);
    this.ticks = Array.from({ length: length + 1 }, (_, k) => {
      const tick = el("div", this.root, "rp-tick");
      const clashes = runs.reduce((sum, run) => sum + run.clashes.filter((c) => c.step === k - 1).length, 0);
      el("span", tick, "rp-flag", k && clashes ? "✕" : "");
      const bars = el("div", tick, "rp-bars");
      for (const count of counts(k)) el("i", bars).style.height = k ? `${8 + (92 * count) / most}%` : "3px";
      tick.title = k ? `Step ${k}: ${counts(k).map((c) => plural(c, "cell")).join(" | ")}${clashes ? `, clashes made: ${clashes}` : ""}` : "Start";
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

class Player {
  constructor(root) {
    this.root = root;
    this.step = 0;
    this.length = 0;
    this.transport(el("div", root, "rp-transport"));
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
    this.length = Math.max(0, ...data.runs.map((run) => run.steps.length));
    this.runsHost.replaceChildren();
    this.runsHost.classList.toggle("rp-two", data.runs.length > 1);
    this.views = data.runs.map((run) => new RunView(this.runsHost, run, this));
    this.timeline.load(data.runs, this.length);
    this.go(first && data.step !== null ? data.step : 1, !first);
  }

  go(step, remember = true) {
    this.step = Math.max(0, Math.min(this.length, Math.round(step) || 0));
    this.views.forEach((view) => view.show(this.step));
    this.timeline.show(this.step);
    this.position.textContent = `${this.step} / ${this.length}`;
    if (remember) rememberStep(this.step);
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
function rememberStep(step) {
  const url = new URL(window.location.href);
  if (!url.protocol.startsWith("http") || url.searchParams.get(PARAM) === String(step)) return;
  url.searchParams.set(PARAM, step);
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
