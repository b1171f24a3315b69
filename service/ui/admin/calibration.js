// Section of the calibration: on what the probabilities rest, the limits of the verdicts, what a precision costs.

import { definitions, make, table } from "../base/elements.js";

const DEPTHS = { low: "whole", normal: "+ inside screenshots", high: "+ rotated" };
const percent = (share) => `${(100 * share).toFixed(share > 0.99 || share < 0.1 ? 1 : 0)} %`;

export function section(about) {
  const { calibration, verdicts } = about;
  const limits = [["Copy from", percent(verdicts.copy)], ["Different up to", percent(verdicts.different)]];
  const rows = Object.entries(calibration ?? {}).filter(([, one]) => one.samples !== undefined);
  const depth = ([effort, one]) => [DEPTHS[effort] ?? effort, one.source ?? "", one.samples.toLocaleString("en"), number(one.slope), number(one.intercept), ...costs(one.policies ?? [])];
  return make("section", { class: "panel", "aria-label": "Calibration" }, make("h2", {}, "Calibration"), definitions(limits), make("p", { class: "hint" }, `Calibrated ${about.calibrated || "by nothing"}.`),
    rows.length ? table("Calibration of each search depth", ["Search depth", "Source", "Queries", "Slope", "Intercept", "At precision", "Copies found"], rows.map(depth))
      : make("p", { class: "hint" }, "Too few pictures to calibrate; the probabilities are those of the model's own calibration, if it has one."));
}

const number = (value) => (value === undefined || value === null ? "" : value.toFixed(2));

/** Precision and recall of the strictest stored policies, as two cells. */
function costs(policies) {
  const told = policies.slice(-2);
  return [told.map((one) => percent(one.precision)).join(", "), told.map((one) => (one.recall === null ? "not measured" : percent(one.recall))).join(", ")];
}
