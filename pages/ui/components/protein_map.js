// Map of all pairs of N residues: two triangles, marks for the strongest pairs. Needs pair_canvas.js in front of it.
//
//   const map = makePairMap(host, { label, describe(i, j), onHover(i, j | null), onPick(i, j), onEscape() });
//   map.draw(view);       // view: see `draw`
//   map.point(i, j);      // cross-hair at a pair, without a tooltip; null for none
//   map.canvas, map.svg() // the picture

const WIDEST = 680; // CSS pixels; a larger map would push the structure off a projector

function makePairMap(host, options) {
  let view = null;
  const map = makePairCanvas(host, {
    ...options,
    label: `${options.label}. Arrow keys move from pair to pair (Shift: ten at once), Enter pins the pair.`,
    margins: { left: 34, top: 44 },
    first: { row: 0, column: 6 },
    fit(room, size, ratio) {
      const exact = Math.min(room - 4, (WIDEST - 38) * ratio) / size;
      return exact >= 3 ? Math.floor(exact) : exact; // whole pixels where that costs no more than a quarter
    },
    beside: true,
    paint(pen, look, geometry) {
      pen.imageSmoothingEnabled = geometry.cell < 1;
      pen.drawImage(pixels(), geometry.left, geometry.top, geometry.side, geometry.side);
      hatchGiven(pen, look, geometry);
      drawMarks(pen, geometry);
      drawFrame(pen, look, geometry);
    },
  });

  // view = { size, labels, title, open: booleans, upper(i, j), lower(i, j) -> [r,g,b] or [r,g,b,a] or null; or null where
  //   there is nothing yet; upperNote, lowerNote; marks: [i, j, right] on the lower triangle; bar: { low, high, unit } }
  function draw(next) {
    view = next;
    map.draw(view);
  }

  function pixels() {
    return pixelsOf(view.size, (r, c) => {
      const read = r < c ? view.upper : view.lower;
      return read ? read(Math.min(r, c), Math.max(r, c)) : null;
    });
  }

  // Given residues have no MI: their lines are hatched above the diagonal.
  function hatchGiven(pen, look, { left, top, cell, side, ratio }) {
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

  function drawMarks(pen, { left, top, cell, ratio }) {
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

  function ticks() {
    const step = [5, 10, 20, 50, 100].find((s) => view.size / s <= 12) || 100;
    const found = [];
    for (let i = 0; i < view.size; i++) if (i === 0 || (Number(view.labels[i]) % step === 0 && i > step / 2)) found.push(i);
    return found;
  }

  function drawFrame(pen, look, { left, top, cell, side, ratio }) {
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
  }

  // The picture as SVG: every pair one pixel of an embedded image, all lines and words as such.
  function svg() {
    const look = map.look(), n = view.size, unit = 600 / n, x0 = 40, y0 = 44;
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
    const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => `<stop offset="${t}" stop-color="${css(view.bar.colour(t))}"/>`);
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 700" font-family="sans-serif" font-size="11" fill="${look.ink}">` +
      `<defs><linearGradient id="g">${stops.join("")}</linearGradient></defs><rect width="660" height="700" fill="${look.paper}"/>` +
      `<text x="${x0}" y="18" font-size="13" font-weight="600">${safe(view.title)}</text>` +
      `<image x="${x0}" y="${y0}" width="600" height="600" image-rendering="pixelated" href="${pixels().toDataURL()}"/>` +
      `${marks.join("")}<rect x="${x0}" y="${y0}" width="600" height="600" fill="none" stroke="${look.ink}"/>${words.join("")}` +
      `<rect x="${x0}" y="656" width="200" height="9" fill="url(#g)"/><text x="${x0}" y="680">${limit(view.bar.low)}</text>` +
      `<text x="${x0 + 200}" y="680" text-anchor="end">${view.bar.high.toFixed(3)}</text><text x="${x0 + 212}" y="665">${safe(view.bar.unit)}</text></svg>`;
  }
  const point = (i, j) => (i === null ? map.point(null) : map.point(Math.min(i, j), Math.max(i, j)));
  return { draw, point, svg, canvas: map.canvas, root: map.root };
}
