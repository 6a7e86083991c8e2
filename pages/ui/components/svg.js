// Pictures as SVG: how they are built and saved. Their colours are CSS variables, resolved when a picture is saved. Needs dom.js.

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, parent, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function write(parent, x, y, size, text, fill, extra = {}) {
  return svg("text", { x, y, "font-size": size, fill, "text-anchor": "middle", ...extra }, parent, text);
}

// The picture as text, its colours written out for programs that know no CSS variables. host: where they are defined.
function pictureText(picture, host) {
  const probe = el("span", host);
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colours = new Map();
  const resolve = (variable) => {
    probe.style.color = variable;
    paint.fillStyle = getComputedStyle(probe).color;
    paint.fillRect(0, 0, 1, 1);
    return `rgb(${paint.getImageData(0, 0, 1, 1).data.slice(0, 3).join(",")})`;
  };
  const text = new XMLSerializer().serializeToString(picture).replace(/var\(--[\w-]+\)/g, (variable) => {
    if (!colours.has(variable)) colours.set(variable, resolve(variable));
    return colours.get(variable);
  });
  probe.remove();
  const { width, height } = picture.viewBox.baseVal;
  return text.replace("<svg ", `<svg width="${width}" height="${height}" `);
}

function savePicture(picture, host, kind, name) {
  const text = pictureText(picture, host);
  if (kind === "SVG") return offer(new Blob([text], { type: "image/svg+xml" }), `${name}.svg`);
  const image = new Image(), { width, height } = picture.viewBox.baseVal;
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 3 * width;
    canvas.height = 3 * height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => offer(blob, `${name}.png`), "image/png");
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
