// Show a verdict by words, colour and shape, so that it is clear without any one of them.

import { make } from "../base/elements.js";

const SVG = "http://www.w3.org/2000/svg";
const KINDS = {
  exact: { words: "same picture", shape: "M3 3h10v10H3z M7 7h10v10H7z", filled: true },
  copy: { words: "copy", shape: "M3 3h10v10H3z M13 7h4v10H7v-4", filled: false },
  uncertain: { words: "possible copy", shape: "M10 3 18 17H2z M10 8v4 M10 14.2v.1", filled: false },
  different: { words: "different", shape: "M10 3a7 7 0 1 0 .01 0z", filled: false },
};

export const words = (verdict) => KINDS[verdict].words;

/** A badge for `exact`, `copy`, `uncertain` or `different`, with another `text` if given. */
export function badge(verdict, text = words(verdict)) {
  const { shape, filled } = KINDS[verdict];
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 20 20");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", shape);
  path.setAttribute("class", filled ? "filled" : "line");
  icon.append(path);
  return make("span", { class: `badge ${verdict}` }, icon, text);
}

/** A percentage that shows 0 or 100 only for exact values. */
function formatPercent(percent) {
  if (percent > 99.9 && percent < 100) return "> 99.9";
  if (percent > 0 && percent < 0.1) return "< 0.1";
  return percent.toFixed(percent > 99 || percent < 1 ? 1 : 0).replace(".0", "");
}

/** The probability of a copy as a bar, or "not calibrated". */
export function bar(probability) {
  if (probability === null) return make("span", { class: "hint" }, "not calibrated");
  const percent = formatPercent(100 * probability);
  const fill = make("span", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  return make("span", { class: "probability", role: "img", "aria-label": `probability of a copy ${percent} percent` },
    make("span", { class: "track" }, fill), make("span", { class: "number" }, `${percent} %`));
}
