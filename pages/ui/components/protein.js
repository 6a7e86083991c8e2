// The bench of the Protein page: sequence strip, map of all pairs, structure in 3D and beliefs, linked in the browser.
// Needs protein_strip.js, protein_map.js and protein_molecule.js in front of it.
//
// data (pages/ui/protein_payload.py, `bench`). Events to Python, each { value, stamp }: mask (N characters 0 or 1),
// pin (list of no, one or two positions). Python sends back the stamp of the latest event that it has seen: data that has
// not seen the latest local change does not overrule it, however slow the answer.

const PAUSE = 450; // ms without an edit before the mask is sent
const LETTERS = "ACDEFGHIKLMNPQRSTVWY";

export default function (component) {
  const { parentElement, data } = component;
  const host = parentElement.querySelector(".bench");
  const bench = (host._bench ??= makeBench(host));
  bench.emit = component.setTriggerValue;
  bench.receive(data);
}

function words(text) { // base64 of little-endian 16-bit numbers
  const raw = atob(text);
  const found = new Uint16Array(raw.length / 2);
  for (let k = 0; k < found.length; k++) found[k] = raw.charCodeAt(2 * k) | (raw.charCodeAt(2 * k + 1) << 8);
  return found;
}

// A condensed triangle as it travels -> (i, j) => number, NaN where there is none
function reader(size, at, packed) {
  if (!packed) return null;
  const values = words(packed.values);
  const full = square(size, at, (k) => packed.low + packed.step * values[k], NaN);
  return (i, j) => full[size * i + j];
}

function makeBench(host) {
  const bench = { emit: () => {}, receive };
  const top = el("section", host, "bench-strip");
  const left = el("section", host, "bench-map");
  const right = el("section", host, "bench-molecule");
  const below = el("section", host, "bench-beliefs");
  top.setAttribute("aria-label", "Sequence");
  left.setAttribute("aria-label", "Map of all pairs");
  right.setAttribute("aria-label", "Structure");
  below.setAttribute("aria-label", "Beliefs of the model");

  let data = null, open = [], pins = [], near = [];
  let read = { truth: null, estimate: null }, distance = null, touching = new Set(), marginals = null;
  let stamp = 0, timer = 0;

  const strip = makeStrip(top, { onMask: setMask, onSelect: (i) => setPins(same([i]) ? [] : [i]), onHover: (i) => hover(i === null ? [] : [i]), onEscape: () => setPins([]) });
  const map = makePairMap(left, {
    label: "Mutual information of all pairs of residues, against contacts",
    describe,
    onHover: (i, j) => hover(i === null ? [] : i === j ? [i] : [i, j]),
    onPick: (i, j) => { const next = i === j ? [i] : [Math.min(i, j), Math.max(i, j)]; setPins(same(next) ? [] : next); },
    onEscape: () => setPins([]),
  });
  const key = el("div", left, "key");
  const tools = el("div", left, "tools");
  tool(tools, "Map as PNG", () => map.canvas.toBlob((blob) => offer(blob, "mi-map.png")));
  tool(tools, "Map as SVG", () => offer(new Blob([map.svg()], { type: "image/svg+xml" }), "mi-map.svg"));
  const molecule = makeMolecule(right, { onPick: (i) => setPins(same([i]) ? [] : [i]), onHover: (i) => hover(i === null ? [] : [i]) });
  const absent = el("div", right, "absent", "No structure: upload a PDB or mmCIF file, or choose an example, to see contacts and 3D.");
  const shape = el("div", right, "tools");
  tool(shape, "3D as PNG", () => offer(molecule.picture(), "structure.png"));
  const status = el("div", below, "status");
  status.setAttribute("aria-live", "polite");
  const bars = el("div", below, "bars");

  function tool(where, text, action) {
    const button = el("button", where, "", text);
    button.addEventListener("click", action);
  }
  function same(next) { return next.length === pins.length && next.every((p, k) => p === pins[k]); }
  function send(event, value) { stamp = Date.now(); bench.emit(event, { value, stamp }); }
  function stale() { return open.some((o, i) => o !== (data.open[i] === "1")); }

  function receive(next) {
    const fresh = !data || data.key !== next.key;
    data = next;
    if (data.seen >= stamp || fresh) {
      open = [...data.open].map((c) => c === "1");
      pins = data.pins;
      clearTimeout(timer);
    }
    const at = [...data.open].map((c, i) => (c === "1" ? i : -1)).filter((i) => i >= 0);
    read = { truth: reader(data.letters.length, at, data.truth), estimate: reader(data.letters.length, at, data.estimate) };
    const known = data.contacts;
    distance = known ? reader(data.letters.length, [...data.letters].map((_, i) => i), known.distances) : null;
    touching = new Set(known ? known.pairs : []);
    marginals = data.marginals ? words(data.marginals) : null;
    near = [];
    host.classList.toggle("without-structure", !data.structure);
    if (data.structure) { molecule.expect(data.script); molecule.set(data.structure); }
    refresh();
    drawMap();
  }

  function setMask(next) {
    if (next.every((o, i) => o === open[i])) return;
    open = next;
    stamp = Date.now();
    drawStrip();
    say();
    clearTimeout(timer);
    timer = setTimeout(() => send("mask", open.map((o) => (o ? "1" : "0")).join("")), PAUSE);
    host.classList.add("stale");
  }
  function setPins(next) { pins = next; send("pin", next); refresh(); }
  function hover(next) {
    if (next.length === near.length && next.every((p, k) => p === near[k])) return;
    near = next;
    drawStrip();
    drawMolecule();
    say();
    drawBars();
  }

  function shownRoute() { return read.truth ? "truth" : read.estimate ? "estimate" : null; }
  function score(i, j) { const route = shownRoute(); return route ? read[route](i, j) : NaN; }
  function name(i) { return `${data.letters[i] === "_" ? "" : data.letters[i]}${data.labels[i]}`; }
  function tint(i, j) { const value = score(i, j); return Number.isNaN(value) ? null : cividis(value / data.scale.high); }

  function refresh() {
    host.classList.toggle("stale", stale());
    drawStrip();
    drawMolecule();
    drawBars();
    say();
    map.point(...(pins.length === 2 ? pins : pins.length ? [pins[0], pins[0]] : [null, null]));
  }
  function drawStrip() {
    const paint = pins.length === 1 && shownRoute() ? open.map((_, i) => (i === pins[0] ? null : tint(pins[0], i))) : null;
    strip.draw({
      key: data.key, letters: data.letters, labels: data.labels, open, paint,
      fixed: [...data.letters].map((c) => c === "_"), pinned: new Set(pins), near: new Set(near),
    });
  }
  function drawMolecule() {
    if (!data.structure) return;
    const route = pins.length === 1 && shownRoute();
    const dark = isDark(host);
    const colours = open.map((o, i) => {
      const rgb = route ? tint(pins[0], i) : null;
      return rgb ? css(rgb) : o ? "#8fb8d9" : dark ? "#7b828c" : "#b4bac2";
    });
    const lines = data.top.map(([i, j, , contact]) => [i, j, contact, false]);
    if (pins.length === 2) lines.push([...pins, touching.has(pins[0] * data.letters.length + pins[1]) ? 1 : 0, true]);
    molecule.draw({ colours, lines, pinned: new Set(pins), near: new Set(near) });
  }
  function drawBars() {
    const shown = pins.length ? pins : near.slice(0, 1);
    bars.replaceChildren(...shown.map(panel));
    if (!shown.length) el("span", bars, "hint", "Point at a residue to see what the model expects there; select one or a pair to keep it here.");
  }
  function panel(i) {
    const box = el("div", null, "panel");
    const rank = [...data.open].slice(0, i).filter((c) => c === "1").length;
    const known = marginals && data.open[i] === "1";
    el("div", box, "panel-title", known
      ? `${name(i)}: entropy ${data.entropy[i].toFixed(2)} of ${Math.log(20).toFixed(2)} nats`
      : `${name(i)}: ${data.open[i] === "1" ? "no beliefs yet" : "given, so the model is told"}`);
    if (!known) return box;
    const chart = el("div", box, "chart");
    chart.setAttribute("role", "img");
    const p = [...LETTERS].map((_, v) => marginals[20 * rank + v] / 65535);
    const best = [...LETTERS].map((letter, v) => [letter, p[v]]).sort((a, b) => b[1] - a[1]).slice(0, 4);
    chart.setAttribute("aria-label", best.map(([letter, q]) => `${letter} ${Math.round(100 * q)} percent`).join(", "));
    [...LETTERS].forEach((letter, v) => {
      const column = el("span", chart, data.letters[i] === letter ? "column native" : "column");
      column.title = `${letter} ${(100 * p[v]).toFixed(1)} %`;
      const bar = el("i", column);
      bar.style.height = `${Math.max(1, 100 * p[v])}%`;
      el("b", column, "", letter);
    });
    return box;
  }
  function say() {
    if (stale()) status.textContent = "The mask has changed; the model is reading it.";
    else if (near.length === 2 || pins.length === 2) status.textContent = describe(...(near.length === 2 ? near : pins));
    else if (near.length && pins.length === 1 && near[0] !== pins[0]) status.textContent = describe(pins[0], near[0]);
    else status.textContent = "";
  }
  function describe(i, j) {
    if (i === j) return `${name(i)}: ${data.open[i] === "1" ? "masked" : "given"}`;
    const parts = [["truth", "ground truth"], ["estimate", "estimate"]]
      .filter(([route]) => read[route] && !Number.isNaN(read[route](i, j)))
      .map(([route, text]) => `${text} ${read[route](i, j).toFixed(4)} nats${data.corrected ? " (APC)" : ""}`);
    const given = [i, j].filter((k) => data.open[k] !== "1").map(name);
    if (given.length) parts.push(`${given.join(" and ")} given, no MI`);
    const far = distance ? distance(i, j) : NaN;
    if (far > 0) parts.push(`${far.toFixed(1)} Å apart${touching.has(Math.min(i, j) * data.letters.length + Math.max(i, j)) ? ", in contact" : ""}`);
    else if (data.contacts) parts.push("not in the structure");
    return `${name(i)} – ${name(j)}: ${parts.join("; ") || "nothing computed yet"}`;
  }

  function drawMap() {
    const size = data.letters.length, above = shownRoute();
    const both = data.view === "estimate" && read.truth && read.estimate;
    const grey = isDark(host) ? [214, 219, 226] : [70, 78, 90];
    const contact = (i, j) => (touching.has(size * i + j) ? [...grey, j - i >= data.separation ? 150 : 55] : null);
    const estimate = (i, j) => { const v = read.estimate(i, j); return Number.isNaN(v) ? null : cividis(v / data.scale.high); };
    const labels = { truth: "ground-truth MI", estimate: "estimated MI" };
    map.draw({
      size, labels: data.labels, open: [...data.open].map((c) => c === "1"),
      title: `Above: ${above ? labels[above] : "MI"} · below: ${both ? "estimate" : data.contacts ? "real contacts" : "strongest pairs"}`,
      upper: above ? tint : null, upperNote: data.absent,
      lower: both ? estimate : contact, lowerNote: "",
      marks: both ? [] : data.top.map(([i, j, , right]) => [i, j, right]),
      bar: { colour: cividis, low: 0, high: data.scale.high, unit: data.scale.label },
    });
    map.root.dataset.marks = both ? 0 : data.top.length;
    drawKey(both);
  }
  function drawKey(both) {
    key.replaceChildren();
    if (!data.top.length && !data.contacts) return;
    const items = [];
    if (data.contacts && !both) items.push(["contact", `contact (${data.contacts.title})`]);
    if (data.top.length && data.contacts) {
      const right = data.top.filter((pair) => pair[3] === 1).length;
      items.push(["right", `strong pair, in contact: ${right}`], ["wrong", `strong pair, apart: ${data.top.length - right}`]);
    } else if (data.top.length) items.push(["unknown", `strongest pairs: ${data.top.length}`]);
    for (const [kind, text] of items) {
      const item = el("span", key, "key-item");
      el("i", item, `sign ${kind}`);
      item.append(text);
    }
  }
  return bench;
}
