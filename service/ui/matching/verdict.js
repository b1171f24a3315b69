// Show a verdict by words, colour and shape, so that it is clear without any one of them.

import { make } from "../base/elements.js";
import { limits } from "../base/index.js";

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

/** Where a probability is on the scale, 0..1. The scale has three equal parts: different, possible copy, copy. */
export function placeOf(probability) {
  const edges = [0, limits.different, limits.copy, 1];
  const part = probability <= limits.different ? 0 : probability < limits.copy ? 1 : 2;
  const [low, high] = edges.slice(part, part + 2);
  return (part + (high > low ? (probability - low) / (high - low) : 1)) / 3;
}

/** The probability of a copy on the scale, or "not calibrated". Two ticks are the limits of the verdicts. */
export function bar(probability) {
  if (probability === null) return make("span", { class: "hint" }, "not calibrated");
  const percent = formatPercent(100 * probability);
  const fill = make("span", { class: "fill" });
  fill.style.width = `${100 * placeOf(probability)}%`;
  return make("span", { class: "probability", role: "img", "aria-label": `probability of a copy ${percent} percent` },
    make("span", { class: "track" }, fill), make("span", { class: "number" }, `${percent} %`));
}

/** The scale with its limits in numbers beneath. */
export function scale(probability) {
  if (probability === null) return bar(probability);
  const limit = (share) => make("span", {}, `${formatPercent(100 * share)} %`);
  return make("span", { class: "scale" }, bar(probability), make("span", { class: "limits", "aria-hidden": "true" },
    make("span", {}, "different"), limit(limits.different), make("span", {}, "possible"), limit(limits.copy), make("span", {}, "copy")));
}
