// What a tuning changed: board or sequence, map of the change of MI, structure, linked in the browser.
// Needs pair_canvas.js, board.js, heatmap.js, protein_map.js, protein_molecule.js and residues.js in front of it.
//
// data (pages/ui/tuning_payload.py, `bench`). One event to Python, { value, stamp }: pin (a position or -1).

export default function (component) {
  const { parentElement, data } = component;
  const host = parentElement.querySelector(".change");
  if (!host._bench || host._bench.board !== data.board) {
    host.replaceChildren();
    host._bench = makeChange(host, data.board);
  }
  host._bench.emit = component.setTriggerValue;
  host._bench.receive(data);
}

function makeChange(host, isBoard) {
  const bench = { emit: () => {}, receive, board: isBoard };
  host.classList.toggle("of-board", isBoard);
  const left = el("section", host, "change-positions");
  left.setAttribute("aria-label", isBoard ? "Board" : "Sequence");
  const right = el("section", host, "change-map");
  right.setAttribute("aria-label", "Map of the change of MI");
  let data = null, pin = -1, near = [], stamp = 0;
  let matrix = { difference: null, reference: null, floor: null, real: null };

  const hovers = { onHover: (i, j) => hover(i === null ? [] : j === undefined || j === null || i === j ? [i] : [i, j]) };
  const positions = isBoard
    ? makeBoard(left, { label: "Sudoku board", editable: false, onHover: hovers.onHover, onFocus: (i) => hover([i]), onActivate: setPin, onEscape: () => setPin(-1) })
    : makeResidues(left, { ...hovers, onPick: setPin, onEscape: () => setPin(-1) });
  const legend = el("div", left, "legend");
  const swatch = el("span", legend, "legend-bar");
  const legendText = el("span", legend, "legend-text");
  const status = el("div", left, "status");
  status.setAttribute("aria-live", "polite");
  const molecule = isBoard ? null : makeMolecule(left, { onPick: setPin, onHover: hovers.onHover });
  const label = "Map of the change of mutual information of all pairs";
  const map = isBoard
    ? makeHeatmap(right, { label, describe, ...hovers, onPick: setPin })
    : makePairMap(right, { label, describe, ...hovers, onPick: (i) => setPin(i), onEscape: () => setPin(-1) });
  const tools = el("div", right, "tools");
  const save = el("button", tools, "", "Map as PNG");
  save.addEventListener("click", () => map.canvas.toBlob((blob) => offer(blob, "mi-change.png")));

  function receive(next) {
    data = next;
    if (data.seen >= stamp) pin = data.pin === null || data.pin >= data.letters.length ? -1 : data.pin;
    const change = data.change;
    matrix = {
      difference: reader(change.difference), reference: reader(change.reference), floor: reader(change.floor), real: reader(change.real),
    };
    if (molecule) {
      host.classList.toggle("without-structure", !data.structure);
      if (data.structure) { molecule.expect(data.script); molecule.set(data.structure); }
    }
    refresh();
    drawMap();
  }

  function reader(condensed) { // upper triangle over the open positions -> (i, j) => number, NaN elsewhere
    const size = data.letters.length, full = square(size, data.change.open, (k) => Number(condensed[k]), NaN);
    return (i, j) => full[size * i + j];
  }

  function setPin(i) {
    pin = i === pin ? -1 : i;
    stamp = Date.now();
    bench.emit("pin", { value: pin, stamp });
    refresh();
  }
  function hover(next) {
    if (next.length === near.length && next.every((p, k) => p === near[k])) return;
    near = next;
    refresh();
  }

  const signed = (x, high) => rdbu(0.5 + x / (2 * high));
  function painted(i) { // the colour of a position
    if (pin >= 0) {
      const moved = i === pin ? NaN : matrix.difference(pin, i);
      return Number.isNaN(moved) ? null : signed(moved, data.change.high);
    }
    const { of, high, signed: both } = data.values;
    if (of[i] === null || data.marks) return null;
    return both ? signed(of[i], high) : cividis(of[i] / high);
  }

  function refresh() {
    if (!data) return;
    const paint = [...data.letters].map((_, i) => painted(i));
    const given = [...data.given].map((c) => c === "1");
    if (isBoard) {
      const open = data.marks && pin < 0;
      positions.draw({
        text: [...data.letters].map((c, i) => (open && !given[i] ? "." : c)).join(""),
        marks: open ? data.marks : null,
        before: null,
        paint,
        classes: [...data.letters].map((_, i) => `${i === pin ? "pinned" : ""} ${near.includes(i) && near.length > 1 ? "partner" : ""} ${given[i] ? "shown" : ""}`),
        labels: data.tops,
      });
    } else positions.draw({ ...data, given, paint, pinned: pin, near });
    if (molecule && data.structure) {
      molecule.draw({
        colours: paint.map((rgb) => (rgb ? css(rgb) : "#9aa4b2")),
        lines: data.strong.map(([i, j, rose]) => [i, j, rose, near.length > 1 && near.includes(i) && near.includes(j)]),
        pinned: new Set(pin >= 0 ? [pin] : []), near: new Set(near),
      });
    }
    drawLegend();
    const [i, j] = near;
    if (isBoard) map.point(pin >= 0 ? pin : i ?? null, pin >= 0 && i !== undefined && i !== pin ? i : j ?? null);
    else map.point(pin >= 0 && i !== undefined ? pin : i ?? null, i === undefined ? null : j ?? i);
    status.textContent = said();
  }
  function said() {
    if (near.length > 1) return describe(near[0], near[1]);
    if (near.length && pin >= 0 && near[0] !== pin) return describe(pin, near[0]);
    if (!near.length) return isBoard ? "A click on a cell paints how its MI with every other cell moved." : "A click on a residue paints how its MI with every other residue moved.";
    const i = near[0], value = data.values.of[i];
    const known = data.given[i] === "1" ? "given" : data.marks || value === null ? "" : `${data.title.toLowerCase()} ${value.toFixed(4)}`;
    return [name(i), known, data.tops[i]].filter(Boolean).join(" · ");
  }
  function name(i) { return isBoard ? data.labels[i] : data.letters[i] + data.labels[i]; }
  function describe(i, j) {
    if (i === j) return name(i);
    const moved = matrix.difference(i, j), who = `${name(i)} · ${name(j)}${isBoard ? `, ${shared(i, j)}` : ""}`;
    if (Number.isNaN(moved)) return `${who}: one of the two is given`;
    const before = matrix.reference(i, j);
    const real = matrix.real(i, j) ? "beyond the noise floors" : "within the noise floors";
    return `${who}: MI ${before.toFixed(4)} → ${(before + moved).toFixed(4)} (${moved < 0 ? "−" : "+"}${Math.abs(moved).toFixed(4)} nats), ${real} (${matrix.floor(i, j).toFixed(4)})`;
  }
  function shared(i, j) {
    const [r, c] = [(k) => Math.floor(k / 9), (k) => k % 9];
    const diagonal = (r(i) === c(i) && r(j) === c(j)) || (r(i) + c(i) === 8 && r(j) + c(j) === 8);
    const old = relationOf(i, j);
    return diagonal ? (old === "not peers" ? "same diagonal" : `${old} and diagonal`) : old;
  }

  function drawLegend() {
    const stops = (colour) => [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1].map((x) => css(colour(x))).join(",");
    const { low, high, signed: both } = data.values;
    const plain = data.marks && pin < 0;
    swatch.style.visibility = plain ? "hidden" : "";
    swatch.style.display = plain ? "none" : "";
    swatch.style.background = `linear-gradient(90deg, ${stops(pin >= 0 || both ? rdbu : cividis)})`;
    const number = (x) => x.toFixed(Math.abs(x) < 0.1 ? 3 : 2).replace("-", "−");
    const words = {
      reward: `What each position adds to the reward, ${number(low)} to ${number(high)} nats`,
      kl: `How far beliefs moved: KL(tuned ‖ reference), 0 to ${number(high)} nats`,
      entropy: "Entropy of q by ln V, 0 to 1: 1 where the update prefers no token",
      q: "Digits: q, what the update alone says of the cell; 1/9 each where it says nothing",
    };
    if (!isBoard && data.layer === "q") words.q = words.entropy;
    legendText.textContent = pin >= 0
      ? `Change of MI with ${name(pin)}, −${number(data.change.high)} to ${number(data.change.high)} nats; a second click lets go`
      : words[data.layer];
  }

  function drawMap() {
    const high = data.change.high, n = data.letters.length;
    const open = new Array(n).fill(false);
    data.change.open.forEach((i) => { open[i] = true; });
    const all = (i, j) => matrix.difference(i, j);
    const beyond = (i, j) => (matrix.real(i, j) ? matrix.difference(i, j) : 0);
    const title = "Above: all changes of MI · below: beyond both noise floors";
    const bar = { colour: rdbu, low: -high, high, unit: "nats, tuned less reference" };
    if (isBoard) {
      map.draw({
        title, open, lines: [...Array(81).keys()], names: ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"],
        upper: all, lower: beyond, upperNote: "", lowerNote: "", bar,
      });
      return;
    }
    const tint = (read) => (i, j) => { const v = read(i, j); return Number.isNaN(v) ? null : signed(v, high); };
    map.draw({
      size: n, labels: data.labels, title, open, upper: tint(all), lower: tint(beyond), upperNote: "", lowerNote: "", marks: [], bar,
    });
  }
  return bench;
}
