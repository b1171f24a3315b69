// Admin view: the index and its generations, calibration, jobs, keys, audit trail, webhooks.

import { fill, make } from "../base/elements.js";
import { audit, keys } from "./access.js";
import { section as calibration } from "./calibration.js";
import { section as generations } from "./generations.js";
import { section as jobs } from "./jobs.js";
import { section as webhooks } from "./webhooks.js";

/** Shows the view. The page shows it only to keys of the scope `admin`. */
export async function show(view) {
  const calibrated = make("div", {});
  const tasks = jobs();
  const index = generations((about) => { fill(calibrated, calibration(about)); tasks.refresh(about).catch(() => null); });
  const others = [keys(), webhooks(), audit()];
  const links = ["Index", "Calibration", "Jobs", "Keys", "Webhooks", "Audit"].map((name) => make("button", { type: "button", class: "quiet", onclick: () => jump(view, name) }, name));
  fill(view, make("h1", {}, "Index and server"), make("nav", { class: "bar", "aria-label": "Sections" }, links), index.element, calibrated, tasks.element, others.map((one) => one.element));
  await Promise.all([index.refresh(), ...others.map((one) => one.refresh())]);
  return { close: () => { index.close(); tasks.close(); } };
}

function jump(view, name) {
  const section = view.querySelector(`section[aria-label="${name}"]`);
  section.scrollIntoView({ block: "start" });
  section.querySelector("button, a, select, input, [tabindex]")?.focus({ preventScroll: true });
}
