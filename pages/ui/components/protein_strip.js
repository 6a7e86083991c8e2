// Strip: one small box for every residue, in blocks of ten, masked and unmasked by click, drag or key.
//
//   const strip = makeStrip(host, { onMask(open), onSelect(i), onHover(i | null), onEscape() });
//   strip.draw({ letters, labels, open, fixed, paint, pinned, near });   // see `draw`
//
// A click or a drag masks or unmasks; with "Select" (or Shift) it selects. Keys: arrows move, Space masks, Enter selects.

function makeStrip(host, options) {
  const head = el("div", host, "strip-head");
  const modes = el("span", head, "modes");
  modes.setAttribute("role", "group");
  modes.setAttribute("aria-label", "What a click on a residue does");
  const buttons = [["mask", "Mask"], ["select", "Select"]].map(([name, text]) => {
    const button = el("button", modes, "", text);
    button.addEventListener("click", () => setMode(name));
    button.dataset.mode = name;
    return button;
  });
  const hint = el("span", head, "hint");
  const root = el("div", host, "strip");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Sequence; arrow keys move, Space masks or unmasks, Enter selects");
  let boxes = [];
  let view = null;
  let mode = "mask";
  let brush = null; // { value, from, before } while dragging

  function setMode(name) {
    mode = name;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.mode === name);
    hint.textContent = name === "mask" ? "Click or drag to mask and unmask; Shift-click selects." : "Click a residue to select it.";
  }
  setMode(mode);

  function build(next) {
    boxes = [];
    const blocks = [];
    for (let k = 0; k < next.letters.length; k += 10) {
      const block = el("span", null, "block");
      el("span", block, "number", next.labels[k]);
      for (let i = k; i < Math.min(k + 10, next.letters.length); i++) {
        const box = el("span", block, "residue");
        box.dataset.residue = i;
        box.setAttribute("role", "button");
        box.tabIndex = i ? -1 : 0;
        boxes.push(box);
      }
      blocks.push(block);
    }
    root.replaceChildren(...blocks);
  }

  // view = { letters: text, "_" where open from the start; labels: texts; open, fixed: booleans; paint: [r,g,b] or null;
  //   pinned, near: Sets of positions; key: changes with the sequence }
  function draw(next) {
    if (!view || view.key !== next.key) build(next);
    view = next;
    boxes.forEach((box, i) => {
      const paint = next.paint ? next.paint[i] : null;
      const classes = ["residue", next.open[i] ? "open" : "given"];
      if (next.pinned.has(i)) classes.push("pinned");
      if (next.near.has(i)) classes.push("near");
      const name = classes.join(" ");
      if (box.className !== name) box.className = name;
      const letter = next.letters[i] === "_" ? "·" : next.letters[i];
      if (box.textContent !== letter) box.textContent = letter;
      box.style.background = paint ? css(paint) : "";
      box.style.color = paint ? inkOn(paint) : "";
      box.setAttribute("aria-pressed", next.open[i]);
      box.setAttribute("aria-label", `${letter === "·" ? "" : letter}${next.labels[i]} ${next.open[i] ? "masked" : "given"}`);
    });
  }

  function at(event) {
    const under = root.getRootNode().elementFromPoint(event.clientX, event.clientY);
    const box = under && under.closest ? under.closest(".residue") : null;
    return box ? Number(box.dataset.residue) : null;
  }
  function sweep(to) {
    const open = [...brush.before];
    const [low, high] = [Math.min(brush.from, to), Math.max(brush.from, to)];
    for (let i = low; i <= high; i++) if (!view.fixed[i]) open[i] = brush.value;
    options.onMask(open);
  }
  function toggle(i) {
    if (view.fixed[i]) return;
    const open = [...view.open];
    open[i] = !open[i];
    options.onMask(open);
  }
  function focus(i) {
    boxes.forEach((box, k) => { box.tabIndex = k === i ? 0 : -1; });
    boxes[i].focus({ preventScroll: true });
  }
  root.addEventListener("pointerdown", (event) => {
    const i = at(event);
    if (i === null || event.button > 0) return;
    focus(i);
    event.preventDefault();
    if ((mode === "select") !== event.shiftKey) { options.onSelect(i); return; }
    brush = { value: !view.open[i], from: i, before: [...view.open] };
    sweep(i);
  });
  root.addEventListener("pointermove", (event) => {
    const i = at(event);
    if (brush && i !== null) sweep(i);
    options.onHover(i);
  });
  window.addEventListener("pointerup", () => { brush = null; });
  root.addEventListener("pointercancel", () => { // the finger scrolls the page
    if (brush) options.onMask(brush.before);
    brush = null;
  });
  root.addEventListener("pointerleave", () => options.onHover(null));
  root.addEventListener("keydown", (event) => {
    const i = boxes.indexOf(event.target);
    if (i < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -10, ArrowDown: 10 }[event.key];
    if (step) focus(Math.min(boxes.length - 1, Math.max(0, i + step)));
    else if (event.key === "Home" || event.key === "End") focus(event.key === "Home" ? 0 : boxes.length - 1);
    else if (event.key === " ") toggle(i);
    else if (event.key === "Enter") options.onSelect(i);
    else if (event.key === "Escape") options.onEscape();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { draw, root };
}
