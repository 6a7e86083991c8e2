// Board: an accessible 9x9 grid of cells with pencil marks, shared by the workbench and the replay.
// Plain functions, no framework; this text is put in front of a component's own script (see assets.py).
//
//   const board = makeBoard(host, { label, editable, onFocus, onHover, onInput, onActivate, onEscape });
//   board.draw(view);            // view: see `draw` below; call it as often as you like
//   board.focus(cell);           // move the keyboard focus; cell 0..80, row-major
//   board.root                   // the grid element, e.g. to add or remove a class ("stale")
//
//   onFocus(cell)                focus came to a cell
//   onHover(cell | null)         the pointer entered a cell or left the board
//   onInput(cell, digit)         a digit 1..9 was typed, or 0 to erase; only with editable
//   onActivate(cell, byKey)      click, Enter or Space
//   onEscape()                   Escape
//
// Colours: cividis(x), rdbu(x) with x in 0..1 -> [r, g, b]; css([r,g,b]); inkOn([r,g,b]) -> readable text colour.

function interpolate(stops, x) {
  const t = Math.min(1, Math.max(0, x)) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(t));
  return stops[k].map((a, c) => Math.round(a + (stops[k + 1][c] - a) * (t - k)));
}

const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
];
const RDBU = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
function cividis(x) { return interpolate(CIVIDIS, x); }
function rdbu(x) { return interpolate(RDBU, x); } // 0 blue (negative), 0.5 white, 1 red (positive)
function css(rgb) { return `rgb(${rgb[0]},${rgb[1]},${rgb[2]})`; }
function inkOn(rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#10141a" : "#ffffff"; }

function cellName(cell) { return `r${Math.floor(cell / 9) + 1}c${(cell % 9) + 1}`; }
function boxOf(cell) { return Math.floor(cell / 27) * 3 + Math.floor((cell % 9) / 3); }

// "same row and box", "not peers", ...; as mi_core.sudoku.board.relation
function relationOf(i, j) {
  const kinds = [];
  if (Math.floor(i / 9) === Math.floor(j / 9)) kinds.push("row");
  if (i % 9 === j % 9) kinds.push("column");
  if (boxOf(i) === boxOf(j)) kinds.push("box");
  return kinds.length ? `same ${kinds.join(" and ")}` : "not peers";
}

// Cells that repeat a digit of their row, column or box. text: 81 characters. -> Set of cells
function clashingCells(text) {
  const found = new Set();
  for (let i = 0; i < 81; i++) {
    for (let j = i + 1; j < 81; j++) {
      if (text[i] !== "." && text[i] === text[j] && relationOf(i, j) !== "not peers") { found.add(i); found.add(j); }
    }
  }
  return found;
}

function makeBoard(host, options) {
  const root = document.createElement("div");
  root.className = "board";
  root.setAttribute("role", "grid");
  root.setAttribute("aria-label", options.label);
  const cells = [];
  for (let r = 0; r < 9; r++) {
    const row = document.createElement("div");
    row.className = "board-row";
    row.setAttribute("role", "row");
    for (let c = 0; c < 9; c++) cells.push(row.appendChild(makeCell(9 * r + c)));
    root.appendChild(row);
  }
  host.appendChild(root);

  function makeCell(cell) {
    const node = document.createElement("div");
    node.className = `cell r${Math.floor(cell / 9)} c${cell % 9}`;
    node.setAttribute("role", "gridcell");
    node.dataset.cell = cell;
    node.tabIndex = cell === 0 ? 0 : -1;
    const value = document.createElement("span");
    value.className = "value";
    const marks = document.createElement("span");
    marks.className = "marks";
    for (let d = 0; d < 9; d++) {
      const mark = document.createElement("span");
      mark.textContent = d + 1;
      marks.appendChild(mark);
    }
    node.append(marks, value);
    return node;
  }

  function cellAt(event) {
    const node = event.target.closest ? event.target.closest(".cell") : null;
    return node ? Number(node.dataset.cell) : null;
  }
  function focus(cell) {
    cells.forEach((node, k) => { node.tabIndex = k === cell ? 0 : -1; });
    cells[cell].focus();
  }
  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  root.addEventListener("keydown", (event) => {
    const cell = cellAt(event);
    if (cell === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const erase = ["Backspace", "Delete", "0", "."].includes(event.key);
    if (STEPS[event.key]) {
      const [dr, dc] = STEPS[event.key];
      focus(((Math.floor(cell / 9) + dr + 9) % 9) * 9 + ((cell % 9) + dc + 9) % 9);
    } else if (event.key === "Home" || event.key === "End") {
      focus(Math.floor(cell / 9) * 9 + (event.key === "Home" ? 0 : 8));
    } else if (options.editable && (erase || /^[1-9]$/.test(event.key))) {
      options.onInput(cell, erase ? 0 : Number(event.key));
    } else if ((event.key === "Enter" || event.key === " ") && options.onActivate) {
      options.onActivate(cell, true);
    } else if (event.key === "Escape" && options.onEscape) {
      options.onEscape();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // Streamlit's own shortcuts must not fire as well
  });
  root.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell === null) return;
    focus(cell);
    if (options.onActivate) options.onActivate(cell, false);
  });
  root.addEventListener("focusin", (event) => {
    const cell = cellAt(event);
    if (cell === null) return;
    cells.forEach((node, k) => { node.tabIndex = k === cell ? 0 : -1; });
    if (options.onFocus) options.onFocus(cell);
  });
  root.addEventListener("pointerover", (event) => { if (options.onHover) options.onHover(cellAt(event)); });
  root.addEventListener("pointerleave", () => { if (options.onHover) options.onHover(null); });

  // view = {
  //   text: 81 characters, "." open,
  //   marks: 729 probabilities, cell-major, or null,
  //   before: 729 probabilities to compare with (risen digits are underlined, fallen ones struck out), or null,
  //   paint: 81 entries, [r,g,b] or null,   wash: 81 entries 0..1 (a light tint of the accent colour), or null,
  //   classes: 81 strings of extra classes ("given", "pinned", "partner", "clash", "committed", ...),
  //   labels: 81 strings for screen readers, or null }
  function draw(view) {
    cells.forEach((node, cell) => drawCell(node, cell, view));
  }
  function drawCell(node, cell, view) {
    const digit = view.text[cell];
    const open = digit === ".";
    const paint = view.paint ? view.paint[cell] : null;
    node.className = `cell r${Math.floor(cell / 9)} c${cell % 9} ${open ? "open" : "filled"} ${view.classes ? view.classes[cell] : ""}`;
    node.style.setProperty("--paint", paint ? css(paint) : "transparent");
    node.style.setProperty("--ink", paint ? inkOn(paint) : "var(--board-ink)");
    node.style.setProperty("--wash", view.wash && open && !paint ? view.wash[cell] : 0);
    node.querySelector(".value").textContent = open ? "" : digit;
    const label = `${cellName(cell)} ${open ? "open" : digit}`;
    node.setAttribute("aria-label", view.labels && view.labels[cell] ? `${label}, ${view.labels[cell]}` : label);
    const marks = node.querySelector(".marks");
    marks.style.display = open && view.marks ? "" : "none";
    if (open && view.marks) drawMarks(marks.children, cell, view);
  }
  function drawMarks(spans, cell, view) {
    for (let d = 0; d < 9; d++) {
      const p = view.marks[9 * cell + d];
      const change = view.before ? p - view.before[9 * cell + d] : 0;
      spans[d].className = change > 0.03 ? "rise" : change < -0.03 ? "fall" : "";
      const seen = Math.max(p, change < -0.03 ? 0.25 : 0); // what has fallen to nothing must stay readable
      spans[d].style.opacity = seen < 0.01 ? 0 : 0.3 + 0.7 * Math.sqrt(seen);
      spans[d].style.fontSize = `${0.62 + 0.75 * Math.sqrt(seen)}em`;
    }
  }

  return { root, draw, focus };
}
