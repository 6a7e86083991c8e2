// Heatmap: the 81x81 map of the pairs of cells. Needs pair_canvas.js in front of it.
//
//   const map = makeHeatmap(host, { label, describe(i, j), onHover(i, j | null), onPick(i) });
//   map.draw(view);        // view: see `draw`
//   map.point(i, j);       // show the cross-hair at a pair of cells (j may be null: a whole line), without a tooltip
//   map.canvas             // what is saved as a picture

function makeHeatmap(host, options) {
  let view = null;
  const lineOf = new Array(81).fill(0);
  const map = makePairCanvas(host, {
    label: `${options.label}. Arrow keys move from pair to pair (Shift: ten at once), Enter pins the row's cell.`,
    margins: { left: 24, top: 40 },
    first: { row: 0, column: 1 },
    fit: (room) => Math.max(2, Math.floor((room - 2) / 81)),
    beside: false,
    paint(pen, look, geometry) {
      pen.imageSmoothingEnabled = false;
      pen.drawImage(pixelsOf(81, colourAt), geometry.left, geometry.top, geometry.side, geometry.side);
      drawRevealed(pen, look, geometry);
      drawFrame(pen, look, geometry);
    },
    describe: (row, column) => options.describe(view.lines[row], view.lines[column]),
    onHover: (row, column) => (row === null ? options.onHover(null, null) : options.onHover(view.lines[row], view.lines[column])),
    onPick: (row) => options.onPick(view.lines[row]),
  });

  // view = {
  //   title: one line above the map,
  //   lines: 81 cells, which cell stands at each line,  names: nine names of the blocks of nine lines,
  //   open: 81 booleans,
  //   upper, lower: (i, j) => number, or null where there is nothing yet,
  //   upperNote, lowerNote: text over a triangle that has nothing,
  //   bar: { colour: x => [r,g,b] with x in 0..1, low, high: the limits, unit: text beside the colour bar } }
  function draw(next) {
    view = { ...next, size: 81 };
    view.lines.forEach((cell, line) => { lineOf[cell] = line; });
    map.draw(view);
  }

  function colourAt(row, column) {
    const i = view.lines[row], j = view.lines[column];
    const read = row < column ? view.upper : view.lower;
    if (!read || !view.open[i] || !view.open[j]) return null;
    return view.bar.colour((read(i, j) - view.bar.low) / (view.bar.high - view.bar.low));
  }

  function hatch(pen, look, ratio) {
    const size = Math.round(5 * ratio);
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const t = tile.getContext("2d");
    t.globalAlpha = 0.1;
    t.fillStyle = look.ink;
    t.fillRect(0, 0, size, size);
    t.globalAlpha = 0.22;
    t.strokeStyle = look.ink;
    t.lineWidth = ratio;
    t.beginPath();
    t.moveTo(0, size); t.lineTo(size, 0);
    t.stroke();
    return pen.createPattern(tile, "repeat");
  }

  function drawRevealed(pen, look, { left, top, cell, side, ratio }) {
    const lines = view.lines.map((i, line) => (view.open[i] ? -1 : line)).filter((line) => line >= 0);
    pen.save();
    pen.beginPath();
    for (const line of lines) {
      pen.rect(left, top + line * cell, side, cell);
      pen.rect(left + line * cell, top, cell, side);
    }
    pen.clip();
    pen.fillStyle = hatch(pen, look, ratio);
    pen.fillRect(left, top, side, side);
    pen.restore();
  }

  function drawFrame(pen, look, { left, top, cell, side, ratio }) {
    pen.strokeStyle = look.ink;
    for (let k = 0; k <= 9; k++) {
      pen.globalAlpha = k % 9 === 0 ? 0.9 : k % 3 === 0 ? 0.8 : 0.35;
      pen.lineWidth = k % 3 === 0 ? Math.max(1, 1.25 * ratio) : Math.max(1, 0.75 * ratio);
      pen.beginPath();
      pen.moveTo(left + 9 * k * cell, top); pen.lineTo(left + 9 * k * cell, top + side);
      pen.moveTo(left, top + 9 * k * cell); pen.lineTo(left + side, top + 9 * k * cell);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.fillStyle = look.ink;
    pen.textBaseline = "middle";
    pen.font = `${Math.round(11 * ratio)}px ${look.font}`;
    view.names.forEach((name, k) => {
      const middle = (9 * k + 4.5) * cell;
      pen.textAlign = "right";
      pen.fillText(name, left - 5 * ratio, top + middle);
      pen.textAlign = "center";
      pen.fillText(name, left + middle, top - 8 * ratio);
    });
  }

  function point(i, j) {
    if (i === null) map.point(null);
    else map.point(lineOf[i], lineOf[j ?? i]);
  }
  return { draw, point, canvas: map.canvas, root: map.root };
}
