// Board: an accessible 9x9 grid of cells with pencil marks, shared by the workbench and the replay.
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
// Needs colours.js and dom.js in front of it.

const LN9 = Math.log(9); // the entropy of a cell of which nothing is known, nats

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
  const root = el("div", null, "board");
  root.setAttribute("role", "grid");
  root.setAttribute("aria-label", options.label);
  const cells = [];
  for (let r = 0; r < 9; r++) {
    const row = el("div", root, "board-row");
    row.setAttribute("role", "row");
    for (let c = 0; c < 9; c++) cells.push(row.appendChild(makeCell(9 * r + c)));
  }
  host.appendChild(root);

  function makeCell(cell) {
    const node = el("div", null, `cell r${Math.floor(cell / 9)} c${cell % 9}`);
    node.setAttribute("role", "gridcell");
    node.dataset.cell = cell;
    node.tabIndex = cell === 0 ? 0 : -1;
    const marks = el("span", node, "marks");
    for (let d = 1; d <= 9; d++) el("span", marks, "", d);
    el("span", node, "value");
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
  root.addEventListener("keydown", (event) => {
    const cell = cellAt(event);
    if (cell === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const erase = ["Backspace", "Delete", "0", "."].includes(event.key);
    if (ARROWS[event.key]) {
      const [dr, dc] = ARROWS[event.key];
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
