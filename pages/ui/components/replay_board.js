// The board of one step as SVG. Needs svg.js and replay_frame.js in front of it.

const CELL = 50, EDGE = 20, SIZE = 9 * CELL + EDGE + 4;
const MOST_LINKS = 8;

const cellLeft = (cell) => EDGE + (cell % 9) * CELL;
const cellTop = (cell) => EDGE + Math.floor(cell / 9) * CELL;

function defs(root) {
  const pattern = svg("pattern", {
    id: "rp-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  }, svg("defs", {}, root));
  svg("line", { x1: 0, y1: 0, x2: 0, y2: 7, stroke: "var(--rp-clash)", "stroke-width": 2.4, opacity: 0.55 }, pattern);
}

function drawPencil(group, cell, probabilities) {
  probabilities.forEach((thousandths, digit) => {
    const p = thousandths / 1000;
    if (p < 0.01) return;
    const x = cellLeft(cell) + 9.5 + (digit % 3) * 15.5;
    const y = cellTop(cell) + 14.5 + Math.floor(digit / 3) * 15.5;
    const weight = p >= 0.5 ? 700 : 400;
    write(group, x, y, 10.5 + 4.5 * p, digit + 1, "var(--rp-text)", {
      opacity: (0.22 + 0.78 * Math.sqrt(p)).toFixed(3), "font-weight": weight,
    });
  });
}

// Grounds first, then links, then digits: a link never hides a digit.
function drawGround(root, frame, cell) {
  const square = { x: cellLeft(cell), y: cellTop(cell), width: CELL, height: CELL };
  if (isOpen(frame.run, frame.at, cell)) {
    const share = Math.min(1, (frame.source?.entropy[cell] ?? 0) / frame.run.most_entropy);
    return void svg("rect", { ...square, fill: "var(--rp-open)", opacity: (0.34 * share).toFixed(3) }, root);
  }
  if (!frame.committed.has(cell)) svg("rect", { ...square, fill: "var(--rp-given)" }, root);
  if (frame.now.has(cell)) svg("rect", { ...square, fill: "var(--rp-now)", opacity: 0.24 }, root);
  if (frame.marks.has(cell)) svg("rect", { ...square, fill: "url(#rp-hatch)" }, root);
}

function drawOpen(root, frame, cell) {
  const marginals = frame.source?.marginals;
  if (marginals?.length) drawPencil(root, cell, marginals[cell]);
  else write(root, cellLeft(cell) + 25, cellTop(cell) + 31, 18, "·", "var(--rp-soft)");
}

function drawFilled(root, frame, cell) {
  const [x, y] = [cellLeft(cell), cellTop(cell)];
  const given = !frame.committed.has(cell), now = frame.now.has(cell);
  write(root, x + 25, y + 35, 28, frame.text[cell], given ? "var(--rp-text)" : "var(--rp-filled)", {
    "font-weight": given || now ? 700 : 500,
  });
  if (!given && !now) write(root, x + CELL - 4, y + 12, 10, frame.committed.get(cell), "var(--rp-soft)", { "text-anchor": "end" });
  const last = frame.run.states[frame.run.states.length - 1];
  if (frame.run.wrong.includes(cell) && last[cell] === frame.text[cell]) write(root, x + CELL - 8, y + CELL - 6, 14, "≠", "var(--rp-clash-text)", { "font-weight": 700 });
}

// Ring, badge and the signs of clashes, of a digit taken back and of a divergence lie over the grid lines and the links.
function drawMarks(group, frame, cell) {
  const [x, y] = [cellLeft(cell), cellTop(cell)];
  if (frame.back.has(cell)) {
    svg("rect", {
      x: x + 2.5, y: y + 2.5, width: CELL - 5, height: CELL - 5, rx: 7, fill: "none", stroke: "var(--rp-clash)", "stroke-width": 2.5,
      "stroke-dasharray": "3 4",
    }, group);
    write(group, x + CELL - 9, y + 15, 15, "↶", "var(--rp-clash-text)", { "font-weight": 700 });
  }
  if (frame.now.has(cell)) {
    svg("rect", {
      x: x + 2.5, y: y + 2.5, width: CELL - 5, height: CELL - 5, rx: 7, fill: "none", stroke: "var(--rp-ring)", "stroke-width": 3.5,
    }, group);
    const wide = 9 + 6.5 * String(frame.at).length;
    svg("rect", { x: x + CELL - wide - 1, y: y + 1, width: wide, height: 15, rx: 7, fill: "var(--rp-ring)" }, group);
    write(group, x + CELL - wide / 2 - 1, y + 12.5, 11, frame.at, "var(--rp-on-ring)", { "font-weight": 700 });
  }
  if (frame.parted.has(cell)) {
    svg("rect", {
      x: x + 6, y: y + 6, width: CELL - 12, height: CELL - 12, rx: 4, fill: "none", stroke: "var(--rp-part)", "stroke-width": 2.5,
      "stroke-dasharray": "6 4",
    }, group);
    svg("path", { d: `M${x + CELL - 11} ${y + CELL - 18}l7 7l-7 7l-7 -7z`, fill: "var(--rp-part)", stroke: "var(--rp-bg)" }, group);
  }
  if (frame.marks.has(cell)) {
    svg("circle", { cx: x + 10.5, cy: y + CELL - 10.5, r: 8, fill: "var(--rp-clash)" }, group);
    write(group, x + 10.5, y + CELL - 6.5, 12, "✕", "#ffffff", { "font-weight": 700 });
  }
}

function drawGrid(root) {
  for (let k = 0; k <= 9; k += 1) {
    const at = EDGE + k * CELL;
    const style = k % 3 === 0 ? { stroke: "var(--rp-text)", "stroke-width": 2.2 } : { stroke: "var(--rp-line)", "stroke-width": 1 };
    svg("line", { x1: at, y1: EDGE, x2: at, y2: EDGE + 9 * CELL, "stroke-linecap": "square", ...style }, root);
    svg("line", { y1: at, x1: EDGE, y2: at, x2: EDGE + 9 * CELL, "stroke-linecap": "square", ...style }, root);
    if (k === 9) break;
    write(root, at + 25, EDGE - 6, 11, k + 1, "var(--rp-soft)");
    write(root, EDGE - 10, at + 29, 11, k + 1, "var(--rp-soft)");
  }
}

// The strongest pairs committed together, as lines whose width grows with their MI.
function drawLinks(root, frame) {
  const strongest = (frame.step?.pairs || []).slice(0, MOST_LINKS).filter(([, , mi]) => mi >= 0.01);
  const most = frame.run.mi_max || 1;
  for (const [i, j, mi] of strongest) {
    svg("line", {
      x1: cellLeft(i) + 25, y1: cellTop(i) + 25, x2: cellLeft(j) + 25, y2: cellTop(j) + 25,
      stroke: "var(--rp-link)", "stroke-width": 1.5 + 6 * (mi / most), "stroke-linecap": "round", opacity: 0.75,
    }, root);
  }
}

function drawBoard(frame, links) {
  const root = svg("svg", {
    xmlns: SVG, viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": describeFrame(frame),
    "font-family": "system-ui, sans-serif", class: "rp-board",
  });
  defs(root);
  svg("rect", { width: SIZE, height: SIZE, fill: "var(--rp-bg)" }, root);
  const cells = Array.from({ length: 81 }, (_, cell) => cell);
  for (const cell of cells) drawGround(root, frame, cell);
  drawGrid(root);
  if (links) drawLinks(root, frame);
  for (const cell of cells) (isOpen(frame.run, frame.at, cell) ? drawOpen : drawFilled)(root, frame, cell);
  for (const cell of cells) drawMarks(root, frame, cell);
  for (const cell of cells) {
    svg("rect", { x: cellLeft(cell), y: cellTop(cell), width: CELL, height: CELL, fill: "transparent", "data-cell": cell }, root);
  }
  return root;
}

// As every stage of a run: { show(frame, links), mark(positions), saves: [label, what it does(name)] }.
function makeBoardStage(host, run, { onPoint, onPick }) {
  let board = null;
  const at = (event) => (event.target.dataset?.cell === undefined ? null : Number(event.target.dataset.cell));
  host.addEventListener("pointerover", (event) => { if (at(event) !== null) onPoint(at(event)); });
  host.addEventListener("pointerleave", () => onPoint(null));
  host.addEventListener("click", (event) => { if (at(event) !== null) onPick(at(event)); });
  return {
    show(frame, links) {
      board = drawBoard(frame, links);
      host.replaceChildren(board);
    },
    mark(positions) {
      for (const rect of board.querySelectorAll("[data-cell]")) rect.classList.toggle("rp-pointed", positions.includes(Number(rect.dataset.cell)));
    },
    saves: ["PNG", "SVG"].map((kind) => [kind, (name) => savePicture(board, host, kind, name)]),
  };
}
