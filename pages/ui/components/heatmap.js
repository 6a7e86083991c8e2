// Heatmap: an 81x81 map on a canvas, crisp at every pixel ratio, with a cross-hair, a tooltip and keyboard control.
// Needs board.js in front of it.
//
//   const map = makeHeatmap(host, { label, describe(i, j), onHover(i, j | null), onPick(i) });
//   map.draw(view);        // view: see `draw`
//   map.point(i, j);       // show the cross-hair at a pair of cells (j may be null: a whole line), without a tooltip
//   map.canvas             // what is saved as a picture

function makeHeatmap(host, options) {
  const wrap = document.createElement("div");
  wrap.className = "map";
  const canvas = document.createElement("canvas");
  canvas.className = "map-picture";
  canvas.setAttribute("role", "img");
  const overlay = document.createElement("canvas");
  overlay.className = "map-overlay";
  overlay.tabIndex = 0;
  overlay.setAttribute("role", "application");
  overlay.setAttribute("aria-label", `${options.label}. Arrow keys move from pair to pair, Enter pins the row's cell.`);
  const tip = document.createElement("div");
  tip.className = "map-tip";
  tip.setAttribute("role", "status");
  wrap.append(canvas, overlay, tip);
  host.appendChild(wrap);

  let view = null;
  let geometry = null;
  let cursor = { row: 0, column: 1 };
  const lineOf = new Array(81).fill(0);

  function measure() {
    const ratio = window.devicePixelRatio || 1;
    const left = Math.round(24 * ratio), top = Math.round(40 * ratio), foot = Math.round(56 * ratio);
    const cell = Math.max(2, Math.floor((wrap.clientWidth * ratio - left - 2) / 81));
    const width = left + cell * 81 + 2, height = top + cell * 81 + foot;
    for (const layer of [canvas, overlay]) {
      if (layer.width !== width || layer.height !== height) { layer.width = width; layer.height = height; }
      layer.style.width = `${width / ratio}px`;
      layer.style.height = `${height / ratio}px`;
    }
    geometry = { ratio, left, top, cell, side: cell * 81, width, height };
  }

  function theme() {
    const style = getComputedStyle(wrap);
    return {
      ink: style.getPropertyValue("--st-text-color").trim() || "#1a1d24",
      paper: style.getPropertyValue("--st-background-color").trim() || "#ffffff",
      font: style.fontFamily || "sans-serif",
    };
  }

  // view = {
  //   title: one line above the map,
  //   lines: 81 cells, which cell stands at each line,  names: nine names of the blocks of nine lines,
  //   open: 81 booleans,
  //   upper, lower: (i, j) => number, or null where there is nothing yet,
  //   upperNote, lowerNote: text over a triangle that has nothing,
  //   colour: x => [r,g,b] with x in 0..1,  low, high: the limits,  unit: text beside the colour bar }
  function draw(next) {
    view = next || view;
    if (!view || !wrap.clientWidth) return;
    measure();
    view.lines.forEach((cell, line) => { lineOf[cell] = line; });
    const pen = canvas.getContext("2d");
    const look = theme();
    pen.fillStyle = look.paper;
    pen.fillRect(0, 0, geometry.width, geometry.height);
    drawPixels(pen);
    drawRevealed(pen, look);
    drawFrame(pen, look);
    drawBar(pen, look);
    canvas.setAttribute("aria-label", `${view.title}. ${view.unit}. The table below lists the strongest pairs.`);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
    drawCross(null);
  }

  function drawPixels(pen) {
    const image = new ImageData(81, 81);
    const grey = [128, 128, 128];
    for (let r = 0; r < 81; r++) {
      for (let c = 0; c < 81; c++) {
        const i = view.lines[r], j = view.lines[c];
        const read = r < c ? view.upper : view.lower;
        let rgb = grey, alpha = 255;
        if (r !== c && view.open[i] && view.open[j]) {
          if (read) rgb = view.colour((read(i, j) - view.low) / (view.high - view.low));
          else alpha = 0;
        } else if (r !== c) alpha = 0;
        image.data.set([rgb[0], rgb[1], rgb[2], alpha], 4 * (81 * r + c));
      }
    }
    const small = document.createElement("canvas");
    small.width = small.height = 81;
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, geometry.left, geometry.top, geometry.side, geometry.side);
  }

  function hatch(pen, look) {
    const size = Math.round(5 * geometry.ratio);
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const t = tile.getContext("2d");
    t.globalAlpha = 0.1;
    t.fillStyle = look.ink;
    t.fillRect(0, 0, size, size);
    t.globalAlpha = 0.22;
    t.strokeStyle = look.ink;
    t.lineWidth = geometry.ratio;
    t.beginPath();
    t.moveTo(0, size); t.lineTo(size, 0);
    t.stroke();
    return pen.createPattern(tile, "repeat");
  }

  function drawRevealed(pen, look) {
    const { left, top, cell, side } = geometry;
    const lines = view.lines.map((i, line) => (view.open[i] ? -1 : line)).filter((line) => line >= 0);
    pen.save();
    pen.beginPath();
    for (const line of lines) {
      pen.rect(left, top + line * cell, side, cell);
      pen.rect(left + line * cell, top, cell, side);
    }
    pen.clip();
    pen.fillStyle = hatch(pen, look);
    pen.fillRect(left, top, side, side);
    pen.restore();
    for (const [note, x, y] of [[view.upper ? "" : view.upperNote, 0.66, 0.3], [view.lower ? "" : view.lowerNote, 0.34, 0.72]]) {
      if (!note) continue;
      pen.font = `600 ${Math.round(13 * geometry.ratio)}px ${look.font}`;
      const width = Math.min(pen.measureText(note).width, side * 0.6);
      pen.fillStyle = look.paper;
      pen.fillRect(left + x * side - width / 2 - 10 * geometry.ratio, top + y * side - 14 * geometry.ratio, width + 20 * geometry.ratio, 28 * geometry.ratio);
      pen.fillStyle = look.ink;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(note, left + x * side, top + y * side, side * 0.6);
    }
  }

  function drawFrame(pen, look) {
    const { left, top, cell, side, ratio } = geometry;
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
    pen.textAlign = "left";
    pen.font = `600 ${Math.round(13 * ratio)}px ${look.font}`;
    pen.fillText(view.title, left, 11 * ratio, side);
  }

  function drawBar(pen, look) {
    const { left, top, side, ratio } = geometry;
    const y = top + side + 10 * ratio, height = 10 * ratio, width = Math.min(side * 0.5, 240 * ratio);
    for (let k = 0; k < width; k++) {
      pen.fillStyle = css(view.colour(k / (width - 1)));
      pen.fillRect(left + k, y, 1.5, height);
    }
    pen.fillStyle = look.ink;
    pen.font = `${Math.round(11 * ratio)}px ${look.font}`;
    pen.textBaseline = "top";
    pen.textAlign = "left";
    pen.fillText(view.low.toFixed(2).replace("-", "−").replace(/^0\.00$/, "0"), left, y + height + 5 * ratio);
    pen.textAlign = "right";
    pen.fillText(view.high.toFixed(2), left + width, y + height + 5 * ratio);
    pen.textAlign = "left";
    const room = side - width - 10 * ratio;
    if (pen.measureText(view.unit).width <= room) pen.fillText(view.unit, left + width + 10 * ratio, y - ratio);
    else pen.fillText(view.unit, left, y + height + 19 * ratio, side);
  }

  // at = { row, column } in lines; either may be null
  function drawCross(at) {
    if (!geometry) return;
    const { left, top, cell, side, ratio } = geometry;
    const pen = overlay.getContext("2d");
    pen.clearRect(0, 0, overlay.width, overlay.height);
    if (!at) return;
    const bars = [];
    if (at.row !== null) bars.push([left, top + at.row * cell, side, cell]);
    if (at.column !== null) bars.push([left + at.column * cell, top, cell, side]);
    for (const [colour, width] of [["rgba(0,0,0,.75)", 3 * ratio], ["rgba(255,255,255,.95)", ratio]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      for (const [x, y, w, h] of bars) pen.strokeRect(x - ratio, y - ratio, w + 2 * ratio, h + 2 * ratio);
    }
  }

  function place(event) {
    const box = overlay.getBoundingClientRect();
    const { ratio, left, top, cell } = geometry;
    const column = Math.floor(((event.clientX - box.left) * ratio - left) / cell);
    const row = Math.floor(((event.clientY - box.top) * ratio - top) / cell);
    return row >= 0 && row < 81 && column >= 0 && column < 81 ? { row, column } : null;
  }

  function show(at) {
    if (!at || !view) { tip.style.display = "none"; drawCross(null); options.onHover(null, null); return; }
    cursor = at;
    const i = view.lines[at.row], j = view.lines[at.column];
    drawCross(at);
    tip.textContent = options.describe(i, j);
    tip.style.display = "block";
    const { ratio, left, top, cell } = geometry;
    const x = (left + at.column * cell) / ratio, y = (top + at.row * cell) / ratio;
    tip.style.left = `${Math.max(0, Math.min(x + 14, wrap.clientWidth - tip.offsetWidth - 2))}px`;
    tip.style.top = `${y > 70 ? y - tip.offsetHeight - 10 : y + 18}px`;
    options.onHover(i, j);
  }

  overlay.addEventListener("pointermove", (event) => geometry && show(place(event)));
  overlay.addEventListener("pointerleave", () => show(null));
  overlay.addEventListener("blur", () => show(null));
  overlay.addEventListener("click", (event) => {
    const at = geometry && place(event);
    if (at) options.onPick(view.lines[at.row]);
  });
  overlay.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) show({ row: (cursor.row + step[0] + 81) % 81, column: (cursor.column + step[1] + 81) % 81 });
    else if (event.key === "Enter" || event.key === " ") options.onPick(view.lines[cursor.row]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  let width = 0;
  new ResizeObserver(() => {
    if (wrap.clientWidth === width) return; // the map's own change of height
    width = wrap.clientWidth;
    requestAnimationFrame(() => draw(null));
  }).observe(wrap);

  function point(i, j) {
    if (i === null || !geometry) drawCross(null);
    else drawCross({ row: lineOf[i], column: j === null ? lineOf[i] : lineOf[j] });
  }
  return { draw, point, canvas, root: wrap };
}
