// Workbench: the board beside the heatmap, linked in the browser. Needs board.js and heatmap.js in front of it.
//
// data (pages/ui/payload.py, `workbench`): board, open, marks, entropy, estimate, truth, order, view, scale, pin, digit, whatif.
// Events to Python, all triggers, each { value, stamp }: edit (81 characters, or a pasted text), pin (cell or -1),
// digit (1..9 or 0), undo (true). Python sends back the stamp of the latest event it has seen: data that has not seen
// the latest local change does not overrule it, however slow the answer.

const TYPING_PAUSE = 350; // ms without a key before an edit is sent

export default function (component) {
  const { parentElement, data } = component;
  const host = parentElement.querySelector(".workbench");
  const bench = (host._bench ??= makeWorkbench(host));
  bench.emit = component.setTriggerValue;
  bench.receive(data);
}

function makeWorkbench(host) {
  const bench = { emit: () => {}, receive };
  const left = el("section", host, "bench-board");
  left.setAttribute("aria-label", "Board");
  const right = el("section", host, "bench-maps");
  right.setAttribute("aria-label", "Map of all pairs");

  let data = null;
  let text = ".".repeat(81);
  let pin = -1, digit = 0;
  let hovered = null; // cell under the pointer, on the board
  let pair = null; // [i, j] under the pointer, on a map
  let focused = 0;
  let stamp = 0, timer = 0; // time of the latest local change
  let values = { estimate: null, truth: null };

  const board = makeBoard(left, {
    label: "Sudoku board",
    editable: true,
    onFocus: (cell) => { focused = cell; say(); },
    onHover: (cell) => { if (cell !== hovered) { hovered = cell; refresh(); } },
    onInput: type,
    onActivate: (cell, byKey) => { if (isOpen(cell)) setPin(cell === pin ? -1 : cell); else if (byKey) setPin(-1); },
    onEscape: () => (digit ? setDigit(0) : setPin(-1)),
  });
  board.root.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") { send("undo", true); event.preventDefault(); }
  });
  board.root.addEventListener("paste", (event) => {
    const pasted = event.clipboardData.getData("text");
    if (pasted.trim()) { send("edit", pasted.slice(0, 3000)); event.preventDefault(); }
  });
  const legend = el("div", left, "legend");
  const bar = el("span", legend, "legend-bar");
  const legendText = el("span", legend, "legend-text");
  const pad = el("div", left, "pad");
  pad.setAttribute("role", "group");
  pad.setAttribute("aria-label", "Write into the chosen cell");
  for (let d = 1; d <= 10; d++) {
    const key = el("button", pad, "", d === 10 ? "⌫" : String(d));
    key.setAttribute("aria-label", d === 10 ? "Erase" : `Write ${d}`);
    key.addEventListener("click", () => type(focused, d === 10 ? 0 : d));
  }
  const chips = el("div", left, "chips");
  chips.setAttribute("role", "group");
  const status = el("div", left, "status");
  status.setAttribute("aria-live", "polite");

  const maps = [0, 1].map((k) => makeHeatmap(right, {
    label: "Map of the mutual information of all pairs of cells",
    describe,
    onHover: (i, j) => { pair = i === null ? null : [i, j]; paintBoard(); if (pair) status.textContent = describe(i, j); },
    onPick: (cell) => { if (isOpen(cell)) setPin(cell === pin ? -1 : cell); },
  }));
  const tools = el("div", right, "tools");
  const save = el("button", tools, "", "Save picture (PNG)");
  save.addEventListener("click", savePicture);

  // State

  function isOpen(cell) { return text[cell] === "."; }
  function changed() { stamp = Date.now(); }
  function send(event, value) { changed(); bench.emit(event, { value, stamp }); }

  function receive(next) {
    data = next;
    if (data.seen >= stamp) {
      text = data.board;
      pin = data.pin === null ? -1 : data.pin;
      digit = data.digit || 0;
    }
    values = { estimate: matrix(data.estimate), truth: matrix(data.truth) };
    refresh();
    drawMaps();
  }

  function matrix(condensed) { return condensed && square(81, data.open, (k) => condensed[k]); }

  function type(cell, d) {
    text = text.slice(0, cell) + (d || ".") + text.slice(cell + 1);
    if (cell === pin && d) { pin = -1; digit = 0; }
    changed();
    refresh();
    clearTimeout(timer);
    timer = setTimeout(() => send("edit", text), TYPING_PAUSE);
  }
  function setPin(cell) {
    if (cell === pin) return;
    pin = cell;
    digit = 0;
    send("pin", cell);
    refresh();
  }
  function setDigit(d) {
    digit = d === digit ? 0 : d;
    send("digit", digit);
    refresh();
  }

  // Drawing

  function trying() {
    return digit && data.whatif && data.whatif.cell === pin && text === data.board ? data.whatif : null;
  }
  function source() { // the cell whose MI to all others is painted
    if (pin >= 0) return pin;
    return hovered !== null && isOpen(hovered) ? hovered : -1;
  }
  function painted() { return values.truth && data.view !== "estimate" ? "truth" : values.estimate ? "estimate" : null; }
  const NAMES = { truth: "ground truth", estimate: "estimate" };

  function refresh() {
    paintBoard();
    drawLegend();
    drawChips();
    say();
    const at = hovered !== null && isOpen(hovered) ? hovered : null;
    for (const map of maps) map.point(pin >= 0 && at !== null ? pin : at, pin >= 0 && at !== pin ? at : null);
  }

  function paintBoard() {
    if (!data) return;
    const clash = clashingCells(text);
    const whatif = trying();
    const from = source();
    const shown = values[painted()];
    const stale = text !== data.board;
    let paint = null;
    if (whatif) paint = whatif.moves[digit - 1].map((nats, j) => (isOpen(j) && j !== pin ? cividis(nats / data.scale.high) : null));
    else if (from >= 0 && shown && !stale) {
      paint = [...text].map((c, j) => (c === "." && j !== from ? cividis(shown[81 * from + j] / data.scale.high) : null));
    }
    board.root.classList.toggle("stale", stale);
    board.draw({
      text,
      marks: whatif ? whatif.marks[digit - 1] : data.marks,
      before: whatif ? data.marks : null,
      paint,
      wash: data.entropy.map((h) => h / LN9),
      classes: [...text].map((c, k) => [
        clash.has(k) ? "clash" : "",
        k === pin ? "pinned" : "",
        pair && (k === pair[0] || k === pair[1]) ? "partner" : "",
      ].join(" ")),
      labels: [...text].map((c, k) => spoken(k, clash)),
    });
  }

  function spoken(cell, clash) {
    const parts = [];
    if (clash.has(cell)) parts.push("clashes with a cell of its row, column or box");
    if (isOpen(cell) && text === data.board) parts.push(likeliest(cell));
    if (cell === pin) parts.push("pinned");
    return parts.join(", ");
  }
  function likeliest(cell) {
    const marks = [...Array(9).keys()].map((d) => [d + 1, data.marks[9 * cell + d]]).filter((m) => m[1] >= 0.005);
    marks.sort((a, b) => b[1] - a[1]);
    const listed = marks.slice(0, 4).map(([d, p]) => `${d} (${percentOf(p)})`).join(", ");
    return `${listed}${marks.length > 4 ? ", …" : ""}; entropy ${data.entropy[cell].toFixed(2)} nats`;
  }

  function drawLegend() {
    const whatif = trying();
    const from = source();
    if (whatif) {
      legendText.textContent = `How far each cell moves if ${cellName(pin)} = ${digit}: KL, 0 to ${data.scale.high.toFixed(2)} nats. Digits rise (underlined) or fall (struck out).`;
      bar.style.background = CIVIDIS_BAR;
    } else if (from >= 0 && painted()) {
      legendText.textContent = `MI with ${cellName(from)} (${NAMES[painted()]}), 0 to ${data.scale.high.toFixed(2)} nats`;
      bar.style.background = CIVIDIS_BAR;
    } else {
      legendText.textContent = "Tint: entropy of an open cell, 0 to ln 9 = 2.20 nats. Small digits: what the model gives a chance.";
      bar.style.background = "linear-gradient(90deg, transparent, color-mix(in srgb, var(--st-primary-color) 45%, transparent))";
    }
  }

  function drawChips() {
    const key = `${pin}|${digit}|${data.board}|${Boolean(data.whatif && data.whatif.cell === pin)}|${text === data.board}`;
    if (chips.dataset.key === key) return;
    const hadFocus = chips.contains(host.getRootNode().activeElement) ? host.getRootNode().activeElement.dataset.digit : null;
    chips.dataset.key = key;
    chips.replaceChildren();
    if (pin < 0) { el("span", chips, "hint", "Click an open cell to pin it, then try a digit there. Type to fill or erase a cell."); return; }
    const name = cellName(pin);
    chips.setAttribute("aria-label", `What if ${name} were`);
    const head = el("span", chips, "head");
    el("span", head, "", `What if ${name} were …? Below each digit: the chance that the model gives it.`);
    const release = el("button", head, "release", "Unpin");
    release.addEventListener("click", () => setPin(-1));
    const ready = data.whatif && data.whatif.cell === pin && text === data.board;
    for (let d = 1; d <= 9; d++) {
      const p = data.marks[9 * pin + d - 1];
      const chip = el("button", null, d === digit ? "chosen" : "");
      el("b", chip, "", d);
      el("small", chip, "", ready ? percentOf(p) : "…");
      chip.dataset.digit = d;
      chip.disabled = !ready;
      chip.setAttribute("aria-pressed", d === digit);
      chip.setAttribute("aria-label", `${d}, ${percentOf(p)}`);
      chip.addEventListener("click", () => setDigit(d));
      chips.append(chip);
      if (hadFocus === String(d)) chip.focus();
    }
  }

  function say() {
    if (!data) return;
    const inside = left.contains(host.getRootNode().activeElement);
    const cell = hovered !== null ? hovered : inside || pin < 0 ? focused : pin;
    const whatif = trying();
    if (text !== data.board) status.textContent = "The board has changed; the model is reading it.";
    else if (!isOpen(cell)) status.textContent = `${cellName(cell)} is given: ${text[cell]}.`;
    else if (whatif && cell !== pin) status.textContent = `${cellName(cell)} if ${cellName(pin)} = ${digit}: ${moved(cell, whatif)}`;
    else if (source() >= 0 && source() !== cell) status.textContent = `${describe(source(), cell)}. ${cellName(cell)}: ${likeliest(cell)}.`;
    else status.textContent = `${cellName(cell)}: ${likeliest(cell)}.`;
  }
  function moved(cell, whatif) {
    const after = whatif.marks[digit - 1];
    const changes = [...Array(9).keys()]
      .map((d) => [d + 1, data.marks[9 * cell + d], after[9 * cell + d]])
      .sort((a, b) => Math.abs(b[2] - b[1]) - Math.abs(a[2] - a[1]))
      .slice(0, 3)
      .filter((m) => Math.abs(m[2] - m[1]) >= 0.005)
      .map(([d, p, q]) => `${d}: ${percentOf(p)} → ${percentOf(q)}`);
    return `${changes.length ? changes.join(", ") : "no change"}; moved by ${whatif.moves[digit - 1][cell].toFixed(3)} nats.`;
  }

  function describe(i, j) {
    const names = `${cellName(i)} – ${cellName(j)}`;
    if (i === j) return `${cellName(i)} with itself: not shown`;
    for (const cell of [i, j]) if (data.board[cell] !== ".") return `${names}: ${cellName(cell)} is given, so there is nothing to share`;
    const parts = ["estimate", "truth"].filter((k) => values[k]).map((k) => `${k} ${values[k][81 * i + j].toFixed(3)}`);
    return parts.length ? `${names}: ${parts.join(", ")} nats (${relationOf(i, j)})` : `${names} (${relationOf(i, j)})`;
  }

  function reader(kind) { return values[kind] ? (i, j) => values[kind][81 * i + j] : null; }

  function drawMaps() {
    const open = [...data.board].map((c) => c === ".");
    const absent = { truth: "Ground truth: not computed yet", estimate: "No estimate" };
    const common = { lines: data.order.lines, names: data.order.names, open, bar: { colour: cividis, low: 0, high: data.scale.high, unit: data.scale.label } };
    const single = (kind) => ({
      ...common, title: kind === "truth" ? "Ground truth (probing)" : "Estimate (MI head)",
      upper: reader(kind), lower: reader(kind), upperNote: absent[kind], lowerNote: "",
    });
    let views;
    if (data.view === "side") views = [single("truth"), single("estimate")];
    else if (data.view === "truth" || data.view === "estimate") views = [single(data.view)];
    else if (data.view === "difference") {
      const both = values.truth && values.estimate;
      const read = both ? (i, j) => values.estimate[81 * i + j] - values.truth[81 * i + j] : null;
      const limit = data.scale.difference;
      views = [{ ...common, title: "Estimate − ground truth", upper: read, lower: read, upperNote: absent[values.estimate ? "truth" : "estimate"],
        lowerNote: "", bar: { colour: rdbu, low: -limit, high: limit, unit: "nats; red: estimate too high, blue: too low" } }];
    } else {
      views = [{ ...common, title: "Above the diagonal: ground truth · below: estimate", upper: reader("truth"), lower: reader("estimate"),
        upperNote: absent.truth, lowerNote: absent.estimate }];
    }
    host.classList.toggle("side", views.length === 2);
    maps[1].root.style.display = views.length === 2 ? "" : "none";
    views.forEach((view, k) => maps[k].draw(view));
  }

  function savePicture() {
    const shown = maps.slice(0, host.classList.contains("side") ? 2 : 1).map((map) => map.canvas);
    const sheet = document.createElement("canvas");
    sheet.width = shown.reduce((sum, c) => sum + c.width, 0);
    sheet.height = shown[0].height;
    let x = 0;
    for (const c of shown) { sheet.getContext("2d").drawImage(c, x, 0); x += c.width; }
    sheet.toBlob((blob) => offer(blob, "mi-map.png"));
  }

  return bench;
}
