// Colours: cividis(x), rdbu(x) with x in 0..1 -> [r, g, b]; css([r,g,b]); inkOn([r,g,b]) -> readable text colour;
// CIVIDIS_BAR, RIGHT, ... as CSS. This text is put in front of a component's own script (see assets.py).

const RIGHT = "#0072B2", WRONG = "#D55E00", UNKNOWN = "#009E73", CHOSEN = "#E69F00"; // Okabe-Ito

function interpolate(stops, x) {
  const t = Math.min(1, Math.max(0, x)) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(t));
  return stops[k].map((a, c) => Math.round(a + (stops[k + 1][c] - a) * (t - k)));
}

const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
];
const RDBU = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
function cividis(x) { return interpolate(CIVIDIS, x); }
function rdbu(x) { return interpolate(RDBU, x); } // 0 blue (negative), 0.5 white, 1 red (positive)
function css(rgb) { return `rgb(${rgb[0]},${rgb[1]},${rgb[2]})`; }
function inkOn(rgb) { return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#10141a" : "#ffffff"; }
const CIVIDIS_BAR = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((x) => css(cividis(x))).join(",")})`;
