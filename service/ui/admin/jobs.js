// Section of the latest jobs, with the models of a re-embedding and the time left.

import { request } from "../base/api.js";
import { fill, make, table } from "../base/elements.js";
import { ago, duration } from "../base/words.js";
import { isRunning } from "./progress.js";

const POLL = 2000;
const SHOWN = 10;

export function section() {
  const place = make("div", {});
  const bundles = new Map(); // id of a job -> the bundle that it was started with
  let [timer, model, closed] = [null, "", false];

  async function refresh(about = null) {
    clearTimeout(timer);
    if (about) model = about.bundle.name;
    const { jobs } = await request("GET", "jobs");
    if (jobs.some((job) => job.kind === "reembed" && !bundles.has(job.id))) await readBundles();
    if (closed) return;
    const shown = jobs.slice(0, SHOWN);
    fill(place, shown.length ? table("Latest jobs", ["Job", "Kind", "State", "Progress", "Time left", "Model", "Updated"], shown.map(row)) : make("p", { class: "hint" }, "There was no job yet."));
    if (shown.some(isRunning)) timer = setTimeout(refresh, POLL);
  }

  /** The audit trail says with which bundle a job was started. */
  async function readBundles() {
    const { entries } = await request("GET", "audit?action=index.rebuild&limit=100");
    entries.forEach(({ detail }) => bundles.set(detail.job, detail.bundle));
  }

  function row(job) {
    const running = isRunning(job);
    const bundle = bundles.get(job.id);
    return [`${job.id}`, job.kind, running || !["queued", "running"].includes(job.state) ? job.state : "ended without a word", make("span", { title: job.message }, progress(job)),
      running ? left(job) : "", job.kind === "reembed" ? `${running ? `${model} → ` : ""}${bundle ? bundle.split("/").pop() : "another"}` : "", ago(job.updated)];
  }

  return { element: make("section", { class: "panel", "aria-label": "Jobs" }, make("h2", {}, "Jobs"), place), refresh, close: () => { closed = true; clearTimeout(timer); } };
}

/** The stage of a job, or why it failed. What a finished one says is for programs. */
function progress(job) {
  if (job.state === "done") return "";
  const far = job.total > 1 ? `${job.progress.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  return [job.message, far].filter(Boolean).join(", ");
}

/** Of the current stage, as if the whole time so far had gone into it: at the start too long rather than too short. */
function left({ progress: done, total, created, updated }) {
  return total > 1 && done > 0 ? `about ${duration(((total - done) * (updated - created)) / done)} in this step` : "not known yet";
}
