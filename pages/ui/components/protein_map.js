// Map of all pairs of N residues: two triangles on a canvas, cross-hair, tooltip, keys. Needs board.js in front of it.
//
//   const map = makePairMap(host, { label, describe(i, j), onHover(i, j | null), onPick(i, j) });
//   map.draw(view);       // view: see `draw`
//   map.point(i, j);      // cross-hair at a pair, without a tooltip; null for none
//   map.png(done), map.svg()

const WIDEST = 680; // CSS pixels; a larger map would push the structure off a projector

function makePairMap(host, options) {
  const wrap = host.appendChild(element("div", "map"));
  const canvas = wrap.appendChild(element("canvas", "map-picture"));
  canvas.setAttribute("role", "img");
  const overlay = wrap.appendChild(element("canvas", "map-overlay"));
  overlay.tabIndex = 0;
  overlay.setAttribute("role", "application");
  overlay.setAttribute("aria-label", `${options.label}. Arrow keys move from pair to pair (Shift: ten at once), Enter pins the pair.`);
  const tip = wrap.appendChild(element("div", "map-tip"));
  let view = null, geometry = null, pointed = null;
  let cursor = { row: 0, column: 6 };

  function measure() {
    const ratio = window.devicePixelRatio || 1;
    const left = Math.round(34 * ratio), top = Math.round(44 * ratio), foot = Math.round(50 * ratio);
    const room = Math.min(wrap.clientWidth, WIDEST) * ratio - left - 4;
    const exact = room / view.size;
    const cell = exact >= 3 ? Math.floor(exact) : exact; // whole pixels where that costs no more than a quarter
    const side = Math.round(cell * view.size);
    const width = left + side + 4, height = top + side + foot;
    for (const layer of [canvas, overlay]) {
      if (layer.width !== width || layer.height !== height) { layer.width = width; layer.height = height; }
      layer.style.width = `${width / ratio}px`;
      layer.style.height = `${height / ratio}px`;
    }
    geometry = { ratio, left, top, cell, side, width, height };
  }
  function theme() {
    const style = getComputedStyle(wrap);
    return {
      ink: style.getPropertyValue("--st-text-color").trim() || "#1a1d24",
      paper: style.getPropertyValue("--st-background-color").trim() || "#ffffff",
      font: style.fontFamily || "sans-serif",
    };
  }

  // view = { size, labels, title, open: booleans, upper(i, j), lower(i, j) -> [r,g,b] or [r,g,b,a] or null; or null where
  //   there is nothing yet; upperNote, lowerNote; marks: [i, j, right] on the lower triangle;
  //   bar: { high, unit, low: 0 unless given, colour: cividis unless given } }
  function draw(next) {
    view = next || view;
    if (!view || !wrap.clientWidth) return;
    measure();
    const pen = canvas.getContext("2d");
    const look = theme();
    pen.fillStyle = look.paper;
    pen.fillRect(0, 0, geometry.width, geometry.height);
    pen.imageSmoothingEnabled = geometry.cell < 1;
    pen.drawImage(pixels(), geometry.left, geometry.top, geometry.side, geometry.side);
    hatchGiven(pen, look);
    drawMarks(pen);
    drawNotes(pen, look);
    drawFrame(pen, look);
    canvas.setAttribute("aria-label", `${view.title}. ${view.bar.unit}. The table below lists the strongest pairs.`);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
    drawCross(pointed);
  }

  function pixels() {
    const n = view.size, image = new ImageData(n, n);
    for (let r = 0; r < n; r++) {
      for (let c = 0; c < n; c++) {
        if (r === c) { image.data.set([128, 128, 128, 255], 4 * (n * r + c)); continue; }
        const read = r < c ? view.upper : view.lower;
        const colour = read ? read(Math.min(r, c), Math.max(r, c)) : null;
        if (colour) image.data.set([colour[0], colour[1], colour[2], colour[3] ?? 255], 4 * (n * r + c));
      }
    }
    const small = document.createElement("canvas");
    small.width = small.height = n;
    small.getContext("2d").putImageData(image, 0, 0);
    return small;
  }

  // Given residues have no MI: their lines are hatched above the diagonal.
  function hatchGiven(pen, look) {
    const { left, top, cell, side, ratio } = geometry;
    pen.save();
    pen.beginPath();
    pen.moveTo(left, top); pen.lineTo(left + side, top); pen.lineTo(left + side, top + side);
    pen.clip();
    pen.beginPath();
    view.open.forEach((open, i) => {
      if (open) return;
      pen.rect(left, top + i * cell, side, cell);
      pen.rect(left + i * cell, top, cell, side);
    });
    pen.clip();
    pen.globalAlpha = 0.07;
    pen.fillStyle = look.ink;
    pen.fillRect(left, top, side, side);
    pen.globalAlpha = 0.2;
    pen.strokeStyle = look.ink;
    pen.lineWidth = ratio * 0.7;
    pen.beginPath();
    for (let x = -side; x < side; x += 6 * ratio) { pen.moveTo(left + x, top + side); pen.lineTo(left + x + side, top); }
    pen.stroke();
    pen.restore();
  }

  function drawMarks(pen) {
    const { left, top, cell, ratio } = geometry;
    const half = Math.max(cell * 0.55, 2.6 * ratio);
    for (const [i, j, right] of view.marks) {
      const x = left + (i + 0.5) * cell, y = top + (j + 0.5) * cell;
      pen.lineWidth = Math.max(1.4 * ratio, half * 0.45);
      if (right === 1) { pen.fillStyle = RIGHT; pen.fillRect(x - half, y - half, 2 * half, 2 * half); continue; }
      pen.strokeStyle = right === 0 ? WRONG : UNKNOWN;
      pen.beginPath();
      pen.moveTo(x - half, y - half); pen.lineTo(x + half, y + half);
      pen.moveTo(x - half, y + half); pen.lineTo(x + half, y - half);
      pen.stroke();
    }
  }

  function drawNotes(pen, look) {
    const { left, top, side, ratio } = geometry;
    for (const [note, x, y] of [[view.upper ? "" : view.upperNote, 0.66, 0.3], [view.lower ? "" : view.lowerNote, 0.34, 0.72]]) {
      if (!note) continue;
      pen.font = `600 ${Math.round(13 * ratio)}px ${look.font}`;
      const width = Math.min(pen.measureText(note).width, side * 0.6);
      pen.fillStyle = look.paper;
      pen.fillRect(left + x * side - width / 2 - 8 * ratio, top + y * side - 13 * ratio, width + 16 * ratio, 26 * ratio);
      pen.fillStyle = look.ink;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(note, left + x * side, top + y * side, side * 0.6);
    }
  }

  function ticks() {
    const step = [5, 10, 20, 50, 100].find((s) => view.size / s <= 12) || 100;
    const found = [];
    for (let i = 0; i < view.size; i++) if (i === 0 || (Number(view.labels[i]) % step === 0 && i > step / 2)) found.push(i);
    return found;
  }

  function drawFrame(pen, look) {
    const { left, top, cell, side, ratio } = geometry;
    pen.strokeStyle = look.ink;
    pen.lineWidth = Math.max(1, ratio);
    pen.strokeRect(left, top, side, side);
    pen.beginPath();
    pen.moveTo(left, top); pen.lineTo(left + side, top + side);
    pen.globalAlpha = 0.5;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = look.ink;
    pen.font = `${Math.round(11 * ratio)}px ${look.font}`;
    for (const i of ticks()) {
      const middle = (i + 0.5) * cell;
      pen.fillRect(left - 4 * ratio, top + middle, 4 * ratio, ratio);
      pen.fillRect(left + middle, top - 4 * ratio, ratio, 4 * ratio);
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      pen.fillText(view.labels[i], left - 6 * ratio, top + middle);
      pen.textAlign = "center";
      pen.fillText(view.labels[i], left + middle, top - 11 * ratio);
    }
    pen.textAlign = "left";
    pen.font = `600 ${Math.round(13 * ratio)}px ${look.font}`;
    pen.fillText(view.title, left, 11 * ratio, side);
    drawBar(pen, look);
  }

  function barColour(x) { return (view.bar.colour || cividis)(x); }
  function limit(x) { return x ? x.toFixed(Math.abs(x) < 0.1 ? 3 : 2).replace("-", "−") : "0"; }
  function drawBar(pen, look) {
    const { left, top, side, ratio } = geometry;
    const y = top + side + 9 * ratio, width = Math.min(side * 0.4, 200 * ratio);
    for (let k = 0; k < width; k++) {
      pen.fillStyle = css(barColour(k / (width - 1)));
      pen.fillRect(left + k, y, 1.5, 9 * ratio);
    }
    pen.fillStyle = look.ink;
    pen.font = `${Math.round(11 * ratio)}px ${look.font}`;
    pen.textBaseline = "top";
    pen.textAlign = "left";
    pen.fillText(limit(view.bar.low || 0), left, y + 13 * ratio);
    pen.textAlign = "right";
    pen.fillText(limit(view.bar.high), left + width, y + 13 * ratio);
    pen.textAlign = "left";
    const room = side - width - 10 * ratio;
    if (pen.measureText(view.bar.unit).width <= room) pen.fillText(view.bar.unit, left + width + 10 * ratio, y - ratio);
    else pen.fillText(view.bar.unit, left, y + 27 * ratio, side);
  }

  function drawCross(at) {
    if (!geometry) return;
    const { left, top, cell, side, ratio } = geometry;
    const pen = overlay.getContext("2d");
    pen.clearRect(0, 0, overlay.width, overlay.height);
    if (!at) return;
    const bars = [[left, top + at.row * cell, side, cell], [left + at.column * cell, top, cell, side]];
    for (const [colour, width] of [["rgba(0,0,0,.7)", 3 * ratio], ["rgba(255,255,255,.95)", ratio]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      for (const [x, y, w, h] of bars) pen.strokeRect(x - ratio, y - ratio, w + 2 * ratio, h + 2 * ratio);
    }
  }

  function place(event) {
    const box = overlay.getBoundingClientRect();
    const { ratio, left, top, cell, side } = geometry;
    const x = (event.clientX - box.left) * ratio - left, y = (event.clientY - box.top) * ratio - top;
    if (x >= side || y >= side || (x < 0 && y < 0)) return null;
    const row = Math.floor(y / cell), column = Math.floor(x / cell); // beside the map: the residue of that tick
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
    tip.style.left = `${Math.max(0, Math.min(x + 14, wrap.clientWidth - tip.offsetWidth - 2))}px`;
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
    const size = event.shiftKey ? 10 : 1, n = view ? view.size : 1;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) show({ row: (cursor.row + size * step[0] + n) % n, column: (cursor.column + size * step[1] + n) % n });
    else if (event.key === "Enter" || event.key === " ") options.onPick(cursor.row, cursor.column);
    else if (event.key === "Escape") options.onEscape();
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
    pointed = i === null ? null : { row: Math.min(i, j), column: Math.max(i, j) };
    drawCross(pointed);
  }
  // The picture as SVG: every pair one pixel of an embedded image, all lines and words as such.
  function svg() {
    const look = theme(), n = view.size, unit = 600 / n, x0 = 40, y0 = 44;
    const safe = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
    const words = ticks().flatMap((i) => [
      `<text x="${x0 - 5}" y="${y0 + (i + 0.5) * unit + 4}" text-anchor="end">${safe(view.labels[i])}</text>`,
      `<text x="${x0 + (i + 0.5) * unit}" y="${y0 - 6}" text-anchor="middle">${safe(view.labels[i])}</text>`,
    ]);
    const half = Math.max(unit * 0.55, 2.6);
    const marks = view.marks.map(([i, j, right]) => {
      const x = x0 + (i + 0.5) * unit, y = y0 + (j + 0.5) * unit;
      if (right === 1) return `<rect x="${x - half}" y="${y - half}" width="${2 * half}" height="${2 * half}" fill="${RIGHT}"/>`;
      return `<path d="M${x - half} ${y - half}L${x + half} ${y + half}M${x - half} ${y + half}L${x + half} ${y - half}" stroke="${right === 0 ? WRONG : UNKNOWN}" stroke-width="1.6"/>`;
    });
    const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => `<stop offset="${t}" stop-color="${css(barColour(t))}"/>`);
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 700" font-family="sans-serif" font-size="11" fill="${look.ink}">` +
      `<defs><linearGradient id="g">${stops.join("")}</linearGradient></defs><rect width="660" height="700" fill="${look.paper}"/>` +
      `<text x="${x0}" y="18" font-size="13" font-weight="600">${safe(view.title)}</text>` +
      `<image x="${x0}" y="${y0}" width="600" height="600" image-rendering="pixelated" href="${pixels().toDataURL()}"/>` +
      `${marks.join("")}<rect x="${x0}" y="${y0}" width="600" height="600" fill="none" stroke="${look.ink}"/>${words.join("")}` +
      `<rect x="${x0}" y="656" width="200" height="9" fill="url(#g)"/><text x="${x0}" y="680">${limit(view.bar.low || 0)}</text>` +
      `<text x="${x0 + 200}" y="680" text-anchor="end">${limit(view.bar.high)}</text><text x="${x0 + 212}" y="665">${safe(view.bar.unit)}</text></svg>`;
  }
  return { draw, point, svg, canvas, root: wrap, measured: () => geometry };
}
