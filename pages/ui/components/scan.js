// Mutation scan: sequence, heatmap of all single mutants, structure, linked in the browser.
// Needs protein_molecule.js and residues.js in front of it.
//
// data (pages/ui/mutations.py, `payload`). One event to Python, { value, stamp }: pin (a position or -1).

const ORDER = "GAVLIMFWYPCSTNQHDEKR"; // small to large within hydrophobic, special, polar, charged
const ROW = 15, NARROWEST = 8, LEFT = 22, TOP = 20; // CSS pixels

export default function (component) {
  const { parentElement, data } = component;
  const host = parentElement.querySelector(".scan");
  const scan = (host._scan ??= makeScan(host));
  scan.emit = component.setTriggerValue;
  scan.receive(data);
}

function makeScan(host) {
  const scan = { emit: () => {}, receive };
  const top = el("section", host, "scan-top");
  const right = el("section", host, "scan-molecule");
  let data = null, pin = -1, near = -1, letter = -1, stamp = 0, cell = NARROWEST;

  const strip = makeResidues(top, { onHover: (i) => hover(i ?? -1, -1), onPick: setPin, onEscape: () => setPin(-1) });
  const scroll = el("div", top, "scan-scroll");
  const canvas = el("canvas", scroll, "scan-map");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  const foot = el("div", top, "legend");
  const bar = el("span", foot, "legend-bar");
  const legend = el("span", foot, "legend-text");
  const status = el("div", top, "status");
  status.setAttribute("aria-live", "polite");
  const tools = el("div", top, "tools");
  const save = el("button", tools, "", "Heatmap as PNG");
  save.addEventListener("click", () => canvas.toBlob((blob) => offer(blob, "mutation-scan.png")));
  const molecule = makeMolecule(right, { onPick: setPin, onHover: (i) => hover(i ?? -1, -1) });

  function receive(next) {
    data = next;
    if (data.seen >= stamp) pin = data.pin === null || data.pin >= data.letters.length ? -1 : data.pin;
    host.classList.toggle("without-structure", !data.structure);
    if (data.structure) { molecule.expect(data.script); molecule.set(data.structure); }
    const number = data.high.toFixed(1);
    bar.style.background = `linear-gradient(90deg, ${[0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1].map((x) => css(rdbu(x))).join(",")})`;
    legend.textContent = `log p(mutant) − log p(sequence), −${number} to ${number} nats; dots: the sequence itself. Sequence and structure: mean over a residue's mutants.`;
    canvas.setAttribute("aria-label", `Heatmap of ${data.letters.length} residues by 20 letters. Arrow keys move, Enter pins. The CSV file holds the numbers.`);
    refresh();
  }
  function score(i, v) { return data.scores[i] ? data.scores[i][v] : null; }
  const shade = (x) => (x === null ? [128, 128, 128] : rdbu(0.5 + x / (2 * data.high)));

  function setPin(i) {
    pin = i === pin ? -1 : i;
    stamp = Date.now();
    scan.emit("pin", { value: pin, stamp });
    refresh();
  }
  function hover(i, v) {
    if (i === near && v === letter) return;
    near = i;
    letter = v;
    refresh();
  }
  function refresh() {
    if (!data) return;
    const paint = data.mean.map((x) => (x === null ? null : shade(x)));
    strip.draw({ ...data, given: [], paint, pinned: pin, near: near >= 0 ? [near] : [] });
    drawMap();
    if (data.structure) {
      molecule.draw({
        colours: paint.map((rgb) => (rgb ? css(rgb) : "#9aa4b2")), lines: [],
        pinned: new Set(pin >= 0 ? [pin] : []), near: new Set(near >= 0 ? [near] : []),
      });
    }
    status.textContent = said();
  }
  function said() {
    const i = near >= 0 ? near : pin;
    if (i < 0) return "Point at a mutant; a click keeps a residue.";
    const name = `${data.letters[i]}${data.labels[i]}`;
    if (!data.scores[i]) return `${name}: not scored`;
    if (letter >= 0 && ORDER[letter] !== data.letters[i]) {
      const x = score(i, data.symbols.indexOf(ORDER[letter]));
      return `${name}${ORDER[letter]}: ${x === null ? "impossible" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(3)} nats`}`;
    }
    const ranked = [...data.symbols].map((s, v) => [s, score(i, v)]).filter(([s, x]) => s !== data.letters[i] && x !== null).sort((a, b) => b[1] - a[1]);
    const some = (list) => list.map(([s, x]) => `${s} ${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`).join(", ");
    return `${name}: mean ${data.mean[i].toFixed(2).replace("-", "−")} nats; best ${some(ranked.slice(0, 3))}; worst ${some(ranked.slice(-2).reverse())}`;
  }

  function drawMap() {
    const room = scroll.clientWidth - LEFT - 2, n = data.letters.length;
    if (room <= 0) return;
    cell = Math.max(NARROWEST, Math.min(22, Math.floor(room / n)));
    const ratio = window.devicePixelRatio || 1, width = LEFT + cell * n + 2, height = TOP + ROW * ORDER.length + 2;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const look = getComputedStyle(host), pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = look.getPropertyValue("--st-background-color").trim() || "#fff";
    pen.fillRect(0, 0, width, height);
    for (let i = 0; i < n; i++) {
      for (let r = 0; r < ORDER.length; r++) {
        const own = ORDER[r] === data.letters[i];
        pen.fillStyle = css(own ? [247, 247, 247] : shade(score(i, data.symbols.indexOf(ORDER[r]))));
        pen.fillRect(LEFT + i * cell, TOP + r * ROW, cell - 0.5, ROW - 0.5);
        if (!own) continue;
        pen.fillStyle = "#10141a";
        pen.beginPath();
        pen.arc(LEFT + (i + 0.5) * cell, TOP + (r + 0.5) * ROW, 2.4, 0, 2 * Math.PI);
        pen.fill();
      }
    }
    const ink = look.getPropertyValue("--st-text-color").trim() || "#1a1d24";
    pen.fillStyle = ink;
    pen.textBaseline = "middle";
    pen.font = `12px ${look.fontFamily}`;
    pen.textAlign = "center";
    for (let r = 0; r < ORDER.length; r++) pen.fillText(ORDER[r], LEFT / 2, TOP + (r + 0.5) * ROW);
    const every = cell * 5 > 34 ? 5 : 10;
    for (let i = 0; i < n; i++) if (i === 0 || (Number(data.labels[i]) % every === 0 && i > 2)) pen.fillText(data.labels[i], LEFT + (i + 0.5) * cell, 9);
    pen.lineWidth = 2;
    for (const [i, colour] of [[pin, "#D55E00"], [near, "#E69F00"]]) {
      if (i < 0) continue;
      pen.strokeStyle = colour;
      pen.strokeRect(LEFT + i * cell - 1, TOP - 1, cell + 1.5, ROW * ORDER.length + 1.5);
    }
    if (near >= 0 && letter >= 0) {
      pen.strokeStyle = ink;
      pen.strokeRect(LEFT + near * cell, TOP + letter * ROW, cell - 0.5, ROW - 0.5);
    }
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    const i = Math.floor((event.clientX - box.left - LEFT) / cell), r = Math.floor((event.clientY - box.top - TOP) / ROW);
    return i >= 0 && i < data.letters.length && r >= 0 && r < ORDER.length ? [i, r] : [-1, -1];
  }
  canvas.addEventListener("pointermove", (event) => data && hover(...place(event)));
  canvas.addEventListener("pointerleave", () => hover(-1, -1));
  canvas.addEventListener("blur", () => hover(-1, -1));
  canvas.addEventListener("click", (event) => { const [i] = place(event); if (i >= 0) setPin(i); });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const n = data.letters.length;
    if (step) hover((Math.max(near, 0) + step[0] + n) % n, (Math.max(letter, 0) + step[1] + ORDER.length) % ORDER.length);
    else if ((event.key === "Enter" || event.key === " ") && near >= 0) setPin(near);
    else if (event.key === "Escape") setPin(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  let seen = 0;
  new ResizeObserver(() => {
    if (scroll.clientWidth === seen) return;
    seen = scroll.clientWidth;
    requestAnimationFrame(() => data && drawMap());
  }).observe(scroll);
  return scan;
}
