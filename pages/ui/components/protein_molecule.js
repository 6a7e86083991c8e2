// The structure in 3D, by 3Dmol.js where its script has come and the browser has WebGL, else as a trace of Cα atoms on a
// plain canvas, which needs neither. (Plotly's 3D traces need WebGL too.) The better one takes over when it is ready.
//
//   const molecule = makeMolecule(host, { onPick(position), onHover(position | null) });
//   molecule.set(structure);     // { key, pdb, trace: [x,y,z] or null for each position, positions: of each residue }
//   molecule.draw({ colours, lines, pinned, near });
//   molecule.picture()           // data URL

const PATIENCE = 20000; // ms that the script may take to come

function hasWebGL() {
  const probe = document.createElement("canvas");
  const context = probe.getContext("webgl2") || probe.getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow only a few at a time
  return Boolean(context);
}

function makeMolecule(host, options) {
  const box = el("div", host, "molecule");
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", "Structure in 3D. Drag or arrow keys turn it, + and - zoom; a click on a residue selects it.");
  const note = el("div", host, "molecule-note");
  let structure = null, scene = null;
  let painter = makeTrace(box, options);
  const webgl = hasWebGL();
  note.textContent = webgl ? "" : "This browser has no WebGL: the chain is drawn as a plain trace.";
  box.dataset.renderer = "trace";

  // The script's own component may deliver it after this one is drawn. expected: null where no script belongs to the page.
  function wait(expected) {
    if (webgl && expected === false) note.textContent = "The 3D viewer's script is not installed (npm ci brings it): the chain is drawn as a plain trace.";
    if (box.dataset.waiting || !webgl || !expected) return;
    box.dataset.waiting = "yes";
    const begun = Date.now();
    const timer = setInterval(() => {
      if (window.$3Dmol) { clearInterval(timer); upgrade(); }
      else if (Date.now() - begun > PATIENCE) clearInterval(timer);
    }, 60);
  }
  function upgrade() {
    try {
      const better = makeCartoon(box, options);
      painter.remove();
      painter = better;
      box.dataset.renderer = "3dmol";
      if (structure) painter.set(structure);
      if (scene) painter.draw(scene);
    } catch (fault) {
      note.textContent = "The 3D viewer did not start: the chain is drawn as a plain trace.";
    }
  }
  box.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-10, "y"], ArrowRight: [10, "y"], ArrowUp: [-10, "x"], ArrowDown: [10, "x"] }[event.key];
    if (turn) painter.turn(...turn);
    else if (event.key === "+" || event.key === "-") painter.zoom(event.key === "+" ? 1.15 : 1 / 1.15);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    root: box,
    expect: wait,
    set(next) { if (!structure || structure.key !== next.key) { structure = next; painter.set(next); } },
    draw(next) { scene = next; box.dataset.lines = next.lines.length; painter.draw(next); },
    picture: () => painter.picture(),
    where: (position) => painter.where(position),
  };
}

// 3Dmol.js: a cartoon, cylinders for the pairs. One viewer for the life of the page, so that the camera stays.
function makeCartoon(box, options) {
  const stage = el("div", box, "stage");
  let viewer;
  try {
    viewer = window.$3Dmol.createViewer(stage, { backgroundAlpha: 0, antialias: true });
    if (!viewer) throw new Error("no viewer");
  } catch (fault) {
    stage.remove();
    throw fault;
  }
  viewer.setHoverDuration(60);
  new ResizeObserver(() => { viewer.resize(); viewer.render(); }).observe(box);
  let structure = null, painted = "";
  const place = (position) => { const [x, y, z] = structure.trace[position]; return { x, y, z }; };

  function set(next) {
    structure = next;
    painted = "";
    viewer.removeAllShapes();
    viewer.removeAllModels();
    viewer.addModel(next.pdb, "pdb");
    const of = (atom) => structure.positions[atom.resi - 1];
    viewer.setStyle({}, { cartoon: { color: "#9aa4b2" } });
    viewer.setClickable({}, true, (atom) => { if (of(atom) >= 0) options.onPick(of(atom)); });
    viewer.setHoverable({}, true, (atom) => { if (of(atom) >= 0) options.onHover(of(atom)); }, () => options.onHover(null));
    viewer.zoomTo();
    viewer.zoom(0.95 * Math.min(1, box.clientWidth / box.clientHeight)); // it fits the height alone
  }
  function draw(scene) {
    if (!structure) return;
    const key = scene.colours.join();
    if (key !== painted) { // a new style is a new mesh; hovering must not pay for it
      painted = key;
      viewer.setStyle({}, { cartoon: { colorfunc: (atom) => scene.colours[structure.positions[atom.resi - 1]] || "#c9ced6", thickness: 0.5 } });
    }
    viewer.removeAllShapes();
    for (const [i, j, right, chosen] of scene.lines) {
      if (!structure.trace[i] || !structure.trace[j]) continue;
      const color = chosen ? CHOSEN : right === 1 ? RIGHT : right === 0 ? WRONG : UNKNOWN;
      viewer.addCylinder({
        start: place(i), end: place(j), radius: chosen ? 0.34 : 0.2, color, fromCap: 2, toCap: 2,
        dashed: right === 0, dashLength: 0.8, gapLength: 0.5,
      });
    }
    for (const [positions, color, opacity, radius] of [[scene.pinned, CHOSEN, 0.85, 1.3], [scene.near, CHOSEN, 0.5, 1.5]]) {
      for (const i of positions) if (structure.trace[i]) viewer.addSphere({ center: place(i), radius, color, opacity });
    }
    viewer.render();
  }
  return {
    set, draw,
    turn(angle, axis) { viewer.rotate(angle, axis); viewer.render(); },
    zoom(factor) { viewer.zoom(factor); viewer.render(); },
    picture: () => viewer.pngURI(),
    where(position) { const at = viewer.modelToScreen(place(position)); return [at.x, at.y]; },
    remove() { stage.remove(); },
  };
}

// Cα atoms joined by lines, painted from back to front on a canvas.
function makeTrace(box, options) {
  const canvas = el("canvas", box, "stage trace");
  let structure = null, scene = null, scale = 1, reach = 1;
  let turned = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  let points = []; // [x, y, depth] on the canvas for each position, or null
  let drag = null;

  function multiply(a, b) { return a.map((row) => [0, 1, 2].map((c) => row[0] * b[0][c] + row[1] * b[1][c] + row[2] * b[2][c])); }
  function turn(angle, axis) {
    const [c, s] = [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)];
    turned = multiply(axis === "y" ? [[c, 0, s], [0, 1, 0], [-s, 0, c]] : [[1, 0, 0], [0, c, -s], [0, s, c]], turned);
    paint();
  }
  function set(next) {
    structure = next;
    reach = Math.max(1, ...next.trace.filter(Boolean).map((p) => Math.hypot(...p)));
    turned = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    scale = 1;
  }
  function project(ratio) {
    const unit = scale * Math.min(canvas.width, canvas.height * 1.35) / (2.15 * reach);
    return structure.trace.map((p) => {
      if (!p) return null;
      const [x, y, z] = turned.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
      const near = 1 + 0.22 * z / reach; // a little perspective
      return [canvas.width / 2 + unit * x * near, canvas.height / 2 - unit * y * near, z / reach];
    });
  }
  function stroke(pen, a, b, colour, width, dash) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash || []);
    pen.beginPath();
    pen.moveTo(a[0], a[1]); pen.lineTo(b[0], b[1]);
    pen.stroke();
  }
  function paint() {
    if (!structure || !scene || !box.clientWidth) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = box.clientWidth * ratio;
    canvas.height = box.clientHeight * ratio;
    points = project(ratio);
    const pen = canvas.getContext("2d");
    pen.lineCap = "round";
    const jobs = [];
    for (let i = 0; i < points.length; i++) {
      const a = points[i], b = points[i + 1];
      if (a) jobs.push([a[2] + 0.001, () => { pen.globalAlpha = 0.55 + 0.45 * (a[2] + 1) / 2; dot(pen, i, a, ratio); }]);
      if (a && b && bonded(i)) jobs.push([(a[2] + b[2]) / 2, () => {
        pen.globalAlpha = 0.55 + 0.45 * (a[2] + 1) / 2;
        stroke(pen, a, b, scene.colours[i] || "#9aa4b2", (3.6 + 2 * a[2]) * ratio);
      }]);
    }
    for (const [i, j, right, chosen] of scene.lines) {
      const a = points[i], b = points[j];
      if (!a || !b) continue;
      const colour = chosen ? CHOSEN : right === 1 ? RIGHT : right === 0 ? WRONG : UNKNOWN;
      jobs.push([(a[2] + b[2]) / 2, () => { pen.globalAlpha = 0.95; stroke(pen, a, b, colour, (chosen ? 4 : 2.2) * ratio, right === 0 ? [6 * ratio, 5 * ratio] : []); }]);
    }
    jobs.sort((a, b) => a[0] - b[0]).forEach((job) => job[1]());
    pen.globalAlpha = 1;
    pen.setLineDash([]);
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn || 0) + 1);
  }
  function bonded(i) {
    const [a, b] = [structure.trace[i], structure.trace[i + 1]];
    return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) < 4.6; // Å; consecutive Cα are 3.8 apart
  }
  function dot(pen, i, at, ratio) {
    const marked = scene.pinned.has(i) || scene.near.has(i);
    pen.fillStyle = marked ? CHOSEN : scene.colours[i] || "#9aa4b2";
    pen.beginPath();
    pen.arc(at[0], at[1], (marked ? 7 : 3.1 + at[2]) * ratio, 0, 2 * Math.PI);
    pen.fill();
  }
  function nearest(event) {
    const ratio = window.devicePixelRatio || 1, frame = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - frame.left) * ratio, (event.clientY - frame.top) * ratio];
    let best = null, least = 14 * ratio;
    points.forEach((p, i) => {
      const far = p ? Math.hypot(p[0] - x, p[1] - y) - 2 * p[2] : Infinity;
      if (far < least) { least = far; best = i; }
    });
    return best;
  }
  canvas.addEventListener("pointerdown", (event) => { drag = [event.clientX, event.clientY, false]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) { options.onHover(nearest(event)); return; }
    const [dx, dy] = [event.clientX - drag[0], event.clientY - drag[1]];
    if (!drag[2] && Math.hypot(dx, dy) < 4) return;
    turn(dx * 0.5, "y");
    turn(dy * 0.5, "x");
    drag = [event.clientX, event.clientY, true];
  });
  canvas.addEventListener("pointerup", (event) => {
    const picked = drag && !drag[2] ? nearest(event) : null;
    drag = null;
    if (picked !== null) options.onPick(picked);
  });
  canvas.addEventListener("pointerleave", () => options.onHover(null));
  const watch = new ResizeObserver(paint);
  watch.observe(box);
  return {
    set,
    draw(next) { scene = next; paint(); },
    turn,
    zoom(factor) { scale *= factor; paint(); },
    picture: () => canvas.toDataURL(),
    where(position) { const ratio = window.devicePixelRatio || 1; return points[position].slice(0, 2).map((v) => v / ratio); },
    remove() { watch.disconnect(); canvas.remove(); },
  };
}
