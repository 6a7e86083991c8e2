// What every component needs of the page. This text is put in front of a component's own script (see assets.py).

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }; // rows, columns

// A new element, at the end of `parent` if there is one.
function el(tag, parent, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

// Saves a Blob, or what a data: address holds, under this name.
function offer(what, name) {
  const link = document.createElement("a");
  link.href = typeof what === "string" ? what : URL.createObjectURL(what);
  link.download = name;
  link.click();
  if (typeof what !== "string") setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Condensed upper triangle over the positions `at` -> size x size, `rest` elsewhere. value(k): its k-th entry.
function square(size, at, value, rest = 0) {
  const full = new Float64Array(size * size).fill(rest);
  let k = 0;
  for (let a = 0; a < at.length; a++) {
    for (let b = a + 1; b < at.length; b++) full[size * at[a] + at[b]] = full[size * at[b] + at[a]] = value(k++);
  }
  return full;
}

function percentOf(p) { return p > 0.995 && p < 1 ? ">99 %" : `${Math.round(100 * p)} %`; }

function isDark(host) { // light ink, dark paper
  const ink = getComputedStyle(host).color.match(/\d+/g) || [0];
  return Number(ink[0]) > 128;
}
