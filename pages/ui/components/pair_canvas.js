// Pair canvas: N x N squares, crisp at every pixel ratio, with title, notes, colour bar, cross-hair, tooltip and keys. What
// the squares show is the caller's business. Needs colours.js and dom.js in front of it.
//
//   const map = makePairCanvas(host, { label, margins: { left, top }, first, fit(room, size), paint(pen, look, geometry), beside,
//     describe(row, column), onHover(row | null, column), onPick(row, column), onEscape() });
//   map.draw(view);          // view: { size, title, bar, upper, lower, upperNote, lowerNote }, and what `paint` needs
//   map.point(row, column);  // cross-hair without a tooltip; null for none
//   map.look()               // { ink, paper, font } of the theme
//
//   first                    { row, column } from which the arrow keys start
//   fit(room, size)          side of a square in device pixels, where `room` of them are free
//   beside                   whether a pointer beside the map is at the residue of that line
//   bar                      { colour: x => [r,g,b] with x in 0..1, low, high, unit: text beside the colour bar }

const FOOT = 56; // CSS pixels below the map, for the colour bar

function makePairCanvas(host, options) {
  const root = el("div", host, "map");
  const canvas = el("canvas", root, "map-picture");
  canvas.setAttribute("role", "img");
  const overlay = el("canvas", root, "map-overlay");
  overlay.tabIndex = 0;
  overlay.setAttribute("role", "application");
  overlay.setAttribute("aria-label", options.label);
  const tip = el("div", root, "map-tip");
  tip.setAttribute("role", "status");
  let view = null, geometry = null, pointed = null;
  let cursor = options.first;

  function measure() {
    const ratio = window.devicePixelRatio || 1;
    const left = Math.round(options.margins.left * ratio), top = Math.round(options.margins.top * ratio);
    const cell = options.fit(root.clientWidth * ratio - left, view.size, ratio);
    const side = Math.round(cell * view.size);
    const width = left + side + 4, height = top + side + Math.round(FOOT * ratio);
    for (const layer of [canvas, overlay]) {
      if (layer.width !== width || layer.height !== height) { layer.width = width; layer.height = height; }
      layer.style.width = `${width / ratio}px`;
      layer.style.height = `${height / ratio}px`;
    }
    geometry = { ratio, left, top, cell, side, width, height };
  }
  function look() {
    const style = getComputedStyle(root);
    return {
      ink: style.getPropertyValue("--st-text-color").trim() || "#1a1d24",
      paper: style.getPropertyValue("--st-background-color").trim() || "#ffffff",
      font: style.fontFamily || "sans-serif",
    };
  }

  function draw(next) {
    view = next || view;
    if (!view || !root.clientWidth) return;
    measure();
    const pen = canvas.getContext("2d"), theme = look();
    pen.fillStyle = theme.paper;
    pen.fillRect(0, 0, geometry.width, geometry.height);
    options.paint(pen, theme, geometry);
    drawNotes(pen, theme);
    pen.fillStyle = theme.ink;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    pen.font = `600 ${Math.round(13 * geometry.ratio)}px ${theme.font}`;
    pen.fillText(view.title, geometry.left, 11 * geometry.ratio, geometry.side);
    drawBar(pen, theme);
    canvas.setAttribute("aria-label", `${view.title}. ${view.bar.unit}. The table below lists the strongest pairs.`);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
    drawCross(pointed);
  }

  // What a triangle says that has nothing to show yet.
  function drawNotes(pen, theme) {
    const { left, top, side, ratio } = geometry;
    for (const [note, x, y] of [[view.upper ? "" : view.upperNote, 0.66, 0.3], [view.lower ? "" : view.lowerNote, 0.34, 0.72]]) {
      if (!note) continue;
      pen.font = `600 ${Math.round(13 * ratio)}px ${theme.font}`;
      const width = Math.min(pen.measureText(note).width, side * 0.6);
      pen.fillStyle = theme.paper;
      pen.fillRect(left + x * side - width / 2 - 10 * ratio, top + y * side - 14 * ratio, width + 20 * ratio, 28 * ratio);
      pen.fillStyle = theme.ink;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(note, left + x * side, top + y * side, side * 0.6);
    }
  }

  function drawBar(pen, theme) {
    const { left, top, side, ratio } = geometry, { colour, low, high, unit } = view.bar;
    const y = top + side + 10 * ratio, height = 10 * ratio, width = Math.min(side * 0.45, 220 * ratio);
    for (let k = 0; k < width; k++) {
      pen.fillStyle = css(colour(k / (width - 1)));
      pen.fillRect(left + k, y, 1.5, height);
    }
    pen.fillStyle = theme.ink;
    pen.font = `${Math.round(11 * ratio)}px ${theme.font}`;
    pen.textBaseline = "top";
    pen.textAlign = "left";
    pen.fillText(limit(low), left, y + height + 5 * ratio);
    pen.textAlign = "right";
    pen.fillText(limit(high), left + width, y + height + 5 * ratio);
    pen.textAlign = "left";
    const room = side - width - 10 * ratio;
    if (pen.measureText(unit).width <= room) pen.fillText(unit, left + width + 10 * ratio, y - ratio);
    else pen.fillText(unit, left, y + height + 19 * ratio, side);
  }

  // at = { row, column }; either may be null
  function drawCross(at) {
    if (!geometry) return;
    const { left, top, cell, side, ratio } = geometry;
    const pen = overlay.getContext("2d");
    pen.clearRect(0, 0, overlay.width, overlay.height);
    if (!at) return;
    const bars = [[left, top + at.row * cell, side, cell], [left + at.column * cell, top, cell, side]];
    for (const [colour, width] of [["rgba(0,0,0,.75)", 3 * ratio], ["rgba(255,255,255,.95)", ratio]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      for (const [x, y, w, h] of bars) pen.strokeRect(x - ratio, y - ratio, w + 2 * ratio, h + 2 * ratio);
    }
  }

  function place(event) {
    const box = overlay.getBoundingClientRect();
    const { ratio, left, top, cell, side } = geometry;
    const x = (event.clientX - box.left) * ratio - left, y = (event.clientY - box.top) * ratio - top;
    const outside = options.beside ? x < 0 && y < 0 : x < 0 || y < 0;
    if (x >= side || y >= side || outside) return null;
    const row = Math.floor(y / cell), column = Math.floor(x / cell);
    return { row: y < 0 ? column : row, column: x < 0 ? row : column };
  }
  function show(at) {
    if (!at || !view) { tip.style.display = "none"; drawCross(pointed); options.onHover(null, null); return; }
    cursor = at;
    drawCross(at);
    tip.textContent = options.describe(at.row, at.column);
    tip.style.display = "block";
    const { ratio, left, top, cell } = geometry;
    const x = (left + at.column * cell) / ratio, y = (top + at.row * cell) / ratio;
    tip.style.left = `${Math.max(0, Math.min(x + 14, root.clientWidth - tip.offsetWidth - 2))}px`;
    tip.style.top = `${y > 70 ? y - tip.offsetHeight - 10 : y + 18}px`;
    options.onHover(at.row, at.column);
  }
  overlay.addEventListener("pointermove", (event) => geometry && show(place(event)));
  overlay.addEventListener("pointerleave", () => show(null));
  overlay.addEventListener("blur", () => show(null));
  overlay.addEventListener("click", (event) => {
    const at = geometry && place(event);
    if (at) options.onPick(at.row, at.column);
  });
  overlay.addEventListener("keydown", (event) => {
    const n = view ? view.size : 1, far = event.shiftKey ? 10 : 1, step = ARROWS[event.key];
    if (step) show({ row: (cursor.row + far * step[0] + far * n) % n, column: (cursor.column + far * step[1] + far * n) % n });
    else if (event.key === "Enter" || event.key === " ") options.onPick(cursor.row, cursor.column);
    else if (event.key === "Escape" && options.onEscape) options.onEscape();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit's own shortcuts must not fire as well
  });
  let width = 0;
  new ResizeObserver(() => {
    if (root.clientWidth === width) return; // the map's own change of height
    width = root.clientWidth;
    requestAnimationFrame(() => draw(null));
  }).observe(root);

  function point(row, column) {
    pointed = row === null ? null : { row, column };
    drawCross(pointed);
  }
  return { draw, point, look, canvas, root };
}

function limit(value) {
  if (value === 0) return "0";
  return value.toFixed(Math.abs(value) < 0.1 ? 3 : 2).replace("-", "−");
}

// N x N pixels, colour(row, column) -> [r,g,b] or [r,g,b,a], null where nothing is. The diagonal is grey.
function pixelsOf(size, colour) {
  const image = new ImageData(size, size);
  for (let r = 0; r < size; r++) {
    for (let c = 0; c < size; c++) {
      const rgb = r === c ? [128, 128, 128] : colour(r, c);
      if (rgb) image.data.set([rgb[0], rgb[1], rgb[2], rgb[3] ?? 255], 4 * (size * r + c));
    }
  }
  const small = document.createElement("canvas");
  small.width = small.height = size;
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}
