// Be the decoder: cells are chosen here, and the server says what committing them together would lose. Needs board.js.
//
// data (pages/ui/decoder_payload.py): id, text, start, steps (step of each cell, 0 where given or open), last (cells of the
// last step), open, marks, entropy, mi (condensed, over the open cells; null without), step, passes, cost, can_undo, sure.
// Events to Python, all triggers, each { id, cells }: pick (the choice has changed), commit, ask, undo. A choice is made for
// one state of the board, `id`; what comes from the server for another state starts with an empty choice.

const PICK_PAUSE = 220; // ms without a further choice before the server is asked for its cost
const COSTS = [ // key, name, what it means
  ["sum_mi", "Sum of pairwise MI", "of the fast estimate; exact where dependence forms a forest"],
  ["gap", "Sum of MI + gap", "probed: the KL between one after the other and both at once"],
  ["tc", "Total correlation", "exactly what is lost, by the chain rule; up to 4 cells"],
  ["eb", "EB bound ΣH − max H", "the most that a consistent model can lose; knows nothing of dependence"],
];

export default function (component) {
  const host = component.parentElement.querySelector(".decoder");
  const table = (host._table ??= makeTable(host));
  table.emit = component.setTriggerValue;
  table.receive(component.data);
}

function makeTable(host) {
  const table = { emit: () => {}, receive };
  let data = null, mi = null, chosen = [], hovered = null, focused = 0, timer = 0;

  const left = el("section", host, "table-board");
  left.setAttribute("aria-label", "Board");
  const board = makeBoard(left, {
    label: "Sudoku board; Space or Enter chooses a cell",
    editable: false,
    onFocus: (cell) => { focused = cell; say(); },
    onHover: (cell) => { if (cell !== hovered) { hovered = cell; paint(); say(); } },
    onActivate: (cell) => toggle(cell),
    onEscape: () => choose([]),
  });
  const legend = el("div", left, "legend");
  const bar = el("span", legend, "legend-bar");
  const legendText = el("span", legend, "legend-text");
  const status = el("div", left, "status");
  status.setAttribute("aria-live", "polite");

  const right = el("section", host, "table-side");
  right.setAttribute("aria-label", "Your choice");
  const head = el("h3", right, "head");
  const buttons = el("div", right, "buttons");
  const button = (label, key, title, action, className = "") => {
    const node = el("button", buttons, className);
    node.type = "button";
    node.title = title;
    el("span", node, "", label);
    el("kbd", node, "", key);
    node.addEventListener("click", action);
    return node;
  };
  const commitButton = button("Commit", "K", "Commit the chosen cells together (K)", commit, "commit");
  const undoButton = button("Undo", "U", "Take the last step back (U)", () => emit("undo"));
  const sureButton = button("Surest", "M", "Add the most certain open cell (M)", addSurest);
  const allButton = button("All sure", "A", "Add every cell that the model is sure of (A)", addSure);
  const clearButton = button("Clear", "Esc", "Choose nothing (Esc)", () => choose([]));
  const chips = el("div", right, "chips");
  const costs = el("div", right, "costs");

  host.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { k: commit, u: () => data.can_undo && emit("undo"), m: addSurest, a: addSure };
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit's own shortcuts must not fire as well
    action();
  });

  // State

  function receive(next) {
    const fresh = !data || next.id !== data.id;
    const hadFocus = fresh && right.contains(host.getRootNode().activeElement);
    data = next;
    mi = data.mi && square(81, data.open, (k) => data.mi[k]);
    if (fresh) { clearTimeout(timer); chosen = next.cost ? next.cost.cells.slice() : []; }
    refresh();
    if (hadFocus) board.focus(focused);
  }

  const isOpen = (cell) => data.text[cell] === ".";
  function emit(event) { clearTimeout(timer); table.emit(event, { id: data.id, cells: chosen, stamp: Date.now() }); }
  function commit() { if (chosen.length) emit("commit"); }

  function toggle(cell) {
    if (!isOpen(cell)) return;
    choose(chosen.includes(cell) ? chosen.filter((k) => k !== cell) : [...chosen, cell]);
  }
  function choose(cells) {
    chosen = cells;
    refresh();
    clearTimeout(timer);
    timer = setTimeout(() => emit("pick"), PICK_PAUSE);
  }
  function addSurest() {
    const rest = data.open.filter((cell) => !chosen.includes(cell)).sort((a, b) => data.entropy[a] - data.entropy[b]);
    if (rest.length) choose([...chosen, rest[0]]);
  }
  function addSure() {
    const more = data.open.filter((cell) => !chosen.includes(cell) && confidence(cell) >= data.sure);
    if (more.length) choose([...chosen, ...more]);
  }
  function beliefs(cell) {
    return [...Array(9).keys()].map((d) => [d + 1, data.marks[9 * cell + d]]).sort((a, b) => b[1] - a[1]);
  }
  function confidence(cell) { return beliefs(cell)[0][1]; }
  function tie(cell) { return chosen.reduce((sum, other) => sum + mi[81 * cell + other], 0); }

  // Drawing

  function refresh() { paint(); drawSide(); say(); }

  // Which cell or cells the colours are about: the open cell under the pointer, else the choice.
  function painted() { return mi && hovered !== null && isOpen(hovered) && !chosen.includes(hovered) ? [hovered] : mi && chosen.length ? chosen : null; }

  function paint() {
    if (!data) return;
    const clash = clashingCells(data.text), about = painted();
    const value = (cell) => about.reduce((sum, other) => sum + mi[81 * cell + other], 0) / Math.LN2;
    board.draw({
      text: data.text,
      marks: data.marks,
      paint: about && [...data.text].map((c, k) => (c === "." && !about.includes(k) ? cividis(value(k)) : null)),
      wash: data.entropy.map((h) => h / LN9),
      classes: [...data.text].map((c, k) => [
        clash.has(k) ? "clash" : "", chosen.includes(k) ? "chosen" : "", data.start[k] === "." ? "" : "given",
        data.last.includes(k) ? "last" : "",
      ].join(" ")),
      labels: [...data.text].map((c, k) => (c === "." ? `${chosen.includes(k) ? "chosen, " : ""}${words(k)}` : "")),
    });
    bar.style.background = about ? CIVIDIS_BAR
      : "linear-gradient(90deg, transparent, color-mix(in srgb, var(--st-primary-color) 45%, transparent))";
    legendText.textContent = !about ? "Tint: entropy of an open cell, 0 to ln 9 = 2.20 nats. Small digits: what the model gives a chance."
      : `MI with ${about === chosen ? "the chosen cells" : cellName(about[0])}, 0 to ln 2 = 0.69 nats and more: what goes badly together.`;
  }

  function words(cell) {
    const listed = beliefs(cell).slice(0, 4).filter(([, p]) => p >= 0.005).map(([d, p]) => `${d} (${percentOf(p)})`).join(", ");
    const tied = mi && chosen.length && !chosen.includes(cell) ? `; MI with the chosen ${tie(cell).toFixed(3)}` : "";
    return `${listed}; entropy ${data.entropy[cell].toFixed(2)} nats${tied}`;
  }

  function say() {
    if (!data) return;
    const cell = hovered !== null ? hovered : focused;
    if (isOpen(cell)) status.textContent = `${cellName(cell)}: ${words(cell)}.`;
    else if (data.start[cell] !== ".") status.textContent = `${cellName(cell)} was given: ${data.text[cell]}.`;
    else status.textContent = `${cellName(cell)} = ${data.text[cell]}, committed in step ${data.steps[cell]}.`;
  }

  function drawSide() {
    const count = data.open.length;
    head.textContent = count
      ? `Step ${data.step} · ${data.passes} ${data.passes === 1 ? "pass" : "passes"} so far · ${count} open`
      : `Finished in ${data.passes} ${data.passes === 1 ? "pass" : "passes"}`;
    commitButton.firstChild.textContent = chosen.length > 1 ? `Commit ${chosen.length} together` : chosen.length ? "Commit 1 alone" : "Commit";
    commitButton.disabled = clearButton.disabled = !chosen.length;
    undoButton.disabled = !data.can_undo;
    sureButton.disabled = chosen.length >= count;
    const more = data.open.filter((cell) => !chosen.includes(cell) && confidence(cell) >= data.sure).length;
    allButton.firstChild.textContent = `All ≥ ${Math.round(100 * data.sure)} %`;
    allButton.disabled = !more;
    drawChips();
    drawCosts();
  }

  function drawChips() {
    chips.replaceChildren();
    if (!data.open.length) return void el("p", chips, "hint", "Your run stands beside the strategies' runs below. Undo takes the last step back.");
    if (!chosen.length) {
      el("p", chips, "hint", "Click open cells, or move with the arrows and press Space. What you choose is committed in one pass, " +
        "each cell by its own belief: choose as many as you dare, but none that depend on each other.");
      return;
    }
    for (const cell of chosen.slice(0, 24)) {
      const chip = el("button", chips, "chip");
      chip.type = "button";
      chip.title = `${cellName(cell)}: ${words(cell)}. Click to take it out.`;
      el("b", chip, "", cellName(cell));
      el("span", chip, "", `${beliefs(cell)[0][0]} at ${percentOf(confidence(cell))}`);
      chip.addEventListener("click", () => toggle(cell));
    }
    if (chosen.length > 24) el("span", chips, "hint", `and ${chosen.length - 24} more`);
  }

  function current() { // what the server said, if it is about this choice
    const same = data.cost && data.cost.cells.length === chosen.length && chosen.every((cell) => data.cost.cells.includes(cell));
    return same ? data.cost : null;
  }

  function drawCosts() {
    costs.replaceChildren();
    if (!chosen.length) return;
    const cost = current();
    el("h4", costs, "", "What committing them together loses, nats");
    const top = cost ? Math.max(0.1, ...COSTS.map(([key]) => cost[key] ?? 0)) : 1;
    for (const [key, name, meaning] of COSTS) {
      const row = el("div", costs, `cost cost-${key}`);
      el("span", row, "name", name).title = meaning;
      const value = cost ? cost[key] : undefined;
      const track = el("div", row, "track");
      if (value !== null && value !== undefined) el("i", track, "").style.width = `${Math.min(100, (100 * Math.max(0, value)) / top)}%`;
      if (value === null && key === "gap") askButton(row);
      else el("b", row, "value", value === undefined ? "…" : value === null ? (key === "tc" ? "> 4 cells" : "not shown") : value.toFixed(3));
      el("small", row, "meaning", meaning);
    }
  }

  function askButton(row) {
    const ask = el("button", row, "ask", "Probe");
    ask.type = "button";
    ask.title = "Ask the model: sets each chosen cell to each of its digits in turn; every such pass counts";
    ask.disabled = chosen.length < 2;
    ask.addEventListener("click", () => { ask.disabled = true; ask.textContent = "…"; emit("ask"); });
  }

  return table;
}
