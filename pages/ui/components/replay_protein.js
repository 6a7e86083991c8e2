// A protein at one step: its structure coloured by the step that committed each residue, above the sequence in the same
// colours. Needs colours.js, svg.js, protein_molecule.js and replay_frame.js in front of it.

const BOX = 26, TALL = 32, LINE = 60, GAP = 10, MARGIN = 6;
const LINKS_3D = 8, LEAST_LINK = 0.01; // nats

function makeProteinStage(host, run, { script, onPoint, onPick }) {
  const molecule = run.structure && makeMolecule(host, { onPick, onHover: onPoint });
  const key = el("div", host, "rp-key");
  const scroll = el("div", host, "rp-strip");
  const touching = new Set(run.tagged.map(([i, j]) => i * run.names.length + j));
  let picture = null, frame = null, links = true, pointed = [];
  if (molecule) {
    molecule.expect(script);
    molecule.set(run.structure);
  }
  el("span", key, "", "given");
  el("i", key, "rp-key-given");
  el("span", key, "", "open");
  el("i", key, "rp-key-open");
  el("span", key, "", "step 1");
  el("i", key, "rp-key-steps").style.background = CIVIDIS_BAR;
  el("span", key, "", run.steps.length);

  const colourOf = (i) => {
    const since = frame.committed.get(i);
    return since === undefined ? null : cividis(run.steps.length < 2 ? 1 : (since - 1) / (run.steps.length - 1));
  };

  function drawMolecule() {
    if (!molecule) return;
    const given = isDark(host) ? "#7b828c" : "#b4bac2";
    const strongest = (links && frame.step ? frame.step.pairs : []).slice(0, LINKS_3D).filter(([, , mi]) => mi >= LEAST_LINK);
    molecule.draw({
      colours: run.names.map((_, i) => {
        const rgb = colourOf(i);
        return rgb ? css(rgb) : isOpen(run, frame.at, i) ? "#8fd0f0" : given;
      }),
      lines: strongest.map(([i, j]) => [i, j, touching.has(Math.min(i, j) * run.names.length + Math.max(i, j)) ? 1 : 0, false]),
      pinned: frame.now,
      near: new Set(pointed),
    });
  }

  function drawSequence() {
    const count = run.names.length, row = host.clientWidth && host.clientWidth < 460 ? 10 : 20;
    const left = (i) => MARGIN + (i % row) * BOX + Math.floor((i % row) / 10) * GAP;
    const top = (i) => Math.floor(i / row) * LINE + 16;
    const width = 2 * MARGIN + row * BOX + (row / 10 - 1) * GAP, height = Math.ceil(count / row) * LINE + 4;
    const root = svg("svg", {
      xmlns: SVG, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describeFrame(frame),
      "font-family": "system-ui, sans-serif", class: "rp-board",
    });
    svg("rect", { width, height, fill: "var(--rp-bg)" }, root);
    for (let i = 0; i < count; i++) {
      if (i % 10 === 0) write(root, left(i) + 1, top(i) - 5, 10, run.labels[i], "var(--rp-soft)", { "text-anchor": "start" });
      drawResidue(root, i, left(i), top(i));
    }
    return root;
  }

  function drawResidue(root, i, x, y) {
    const open = isOpen(run, frame.at, i), rgb = colourOf(i), since = frame.committed.get(i), now = frame.now.has(i);
    const square = { x: x + 0.5, y, width: BOX - 1, height: TALL };
    const share = open ? Math.min(1, (frame.source?.entropy[i] ?? 0) / run.most_entropy) : 0;
    if (open) svg("rect", { ...square, fill: "var(--rp-open)", opacity: (0.12 + 0.3 * share).toFixed(3) }, root);
    else svg("rect", { ...square, fill: rgb ? css(rgb) : "var(--rp-given)" }, root);
    const native = run.letters[i] === frame.text[i];
    write(root, x + BOX / 2, y + 22, 16, open ? "·" : frame.text[i], rgb ? inkOn(rgb) : open ? "var(--rp-soft)" : "var(--rp-text)", {
      "font-weight": since === undefined || native ? 700 : 400,
      ...(since !== undefined && !native ? { "font-style": "italic" } : {}),
    });
    if (now) svg("rect", { x: x + 1.5, y: y + 1, width: BOX - 3, height: TALL - 2, rx: 4, fill: "none", stroke: "var(--rp-ring)", "stroke-width": 3 }, root);
    if (frame.back.has(i)) svg("rect", { x: x + 1.5, y: y + 1, width: BOX - 3, height: TALL - 2, rx: 4, fill: "none", stroke: "var(--rp-clash)", "stroke-width": 2.5, "stroke-dasharray": "3 3" }, root);
    if (frame.parted.has(i)) svg("path", { d: `M${x + BOX / 2} ${y - 4}l5 5l-5 5l-5 -5z`, fill: "var(--rp-part)", stroke: "var(--rp-bg)" }, root);
    if (since !== undefined) write(root, x + BOX / 2, y + TALL + 9, 9, since, "var(--rp-soft)");
    svg("rect", { ...square, fill: "transparent", "data-cell": i }, root);
  }

  const at = (event) => (event.target.dataset?.cell === undefined ? null : Number(event.target.dataset.cell));
  scroll.addEventListener("pointerover", (event) => { if (at(event) !== null) onPoint(at(event)); });
  scroll.addEventListener("pointerleave", () => onPoint(null));
  scroll.addEventListener("click", (event) => { if (at(event) !== null) onPick(at(event)); });

  const saves = ["PNG", "SVG"].map((kind) => [kind, (name) => savePicture(picture, host, kind, name)]);
  if (molecule) saves.push(["3D", (name) => offer(molecule.picture(), `${name}-structure.png`)]);
  return {
    show(next, withLinks) {
      [frame, links, pointed] = [next, withLinks, []];
      picture = drawSequence();
      scroll.replaceChildren(picture);
      drawMolecule();
    },
    mark(positions) {
      pointed = positions;
      for (const rect of picture.querySelectorAll("[data-cell]")) rect.classList.toggle("rp-pointed", positions.includes(Number(rect.dataset.cell)));
      drawMolecule();
    },
    saves,
  };
}
