// Residues: a strip of letters, painted, hovered and picked; nothing is edited here.
//
//   const strip = makeResidues(host, { onHover(i | null), onPick(i), onEscape() });
//   strip.draw({ key, letters, labels, given, paint, pinned, near, tops });

function makeResidues(host, options) {
  const root = el("div", host, "strip");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Sequence; arrow keys move, Enter pins");
  let boxes = [], key = null;

  function build(view) {
    boxes = [];
    const blocks = [];
    for (let k = 0; k < view.letters.length; k += 10) {
      const block = el("span", null, "block");
      el("span", block, "number", view.labels[k]);
      for (let i = k; i < Math.min(k + 10, view.letters.length); i++) {
        const box = el("span", block, "residue", view.letters[i]);
        box.dataset.residue = i;
        box.setAttribute("role", "button");
        box.tabIndex = i ? -1 : 0;
        boxes.push(box);
      }
      blocks.push(block);
    }
    root.replaceChildren(...blocks);
    key = view.key;
  }
  function draw(view) {
    if (key !== view.key) build(view);
    boxes.forEach((box, i) => {
      const paint = view.paint[i];
      box.className = `residue ${view.given[i] ? "given" : ""} ${view.pinned === i ? "pinned" : ""} ${view.near.includes(i) ? "near" : ""}`;
      box.style.background = paint ? css(paint) : "";
      box.style.color = paint ? inkOn(paint) : "";
      box.setAttribute("aria-label", `${view.letters[i]}${view.labels[i]} ${view.tops ? view.tops[i] : ""}`);
    });
  }
  function at(event) {
    const box = event.target.closest ? event.target.closest(".residue") : null;
    return box ? Number(box.dataset.residue) : null;
  }
  root.addEventListener("pointerover", (event) => options.onHover(at(event)));
  root.addEventListener("pointerleave", () => options.onHover(null));
  root.addEventListener("click", (event) => { if (at(event) !== null) options.onPick(at(event)); });
  root.addEventListener("focusin", (event) => options.onHover(at(event)));
  root.addEventListener("keydown", (event) => {
    const i = at(event);
    if (i === null) return;
    const step = { ArrowLeft: -1, ArrowUp: -10, ArrowRight: 1, ArrowDown: 10 }[event.key];
    if (step) {
      const next = Math.min(boxes.length - 1, Math.max(0, i + step));
      boxes.forEach((box, k) => { box.tabIndex = k === next ? 0 : -1; });
      boxes[next].focus();
    } else if (event.key === "Enter" || event.key === " ") options.onPick(i);
    else if (event.key === "Escape") options.onEscape();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { draw, root };
}
