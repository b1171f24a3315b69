// Follow a job that rebuilds the index: its stage, how far it is, the time left.

import { request } from "../base/api.js";
import { fill, make, notice } from "../base/elements.js";
import { duration } from "../base/words.js";

const POLL = 300; // milliseconds; each poll reads one row of the catalog
const STAGES = ["embed", "vectors", "index", "clusters", "calibration", "recall", "gate", "publish"];
const STALE = 1800; // seconds without an update after which a job counts as killed
const KINDS = ["rebuild", "reembed"];
const LEAST = 3; // seconds that a stage must have run before the time left is told

export const isRunning = (job) => ["queued", "running"].includes(job.state) && Date.now() / 1000 - job.updated < STALE;

/** Shows jobs in `place`. `ended()` is called when one has ended. */
export function follower(place, ended) {
  let [closed, watching] = [false, false];

  async function follow(job) {
    watching = true;
    const bar = make("progress", { "aria-label": "progress of the rebuild" });
    const message = make("p", { class: "hint", role: "status" }, "Starting the rebuild…");
    const clock = stageClock();
    fill(place, message, bar);
    try {
      while (!closed && isRunning(job)) {
        show(job, bar, message, clock(job));
        await new Promise((resolve) => setTimeout(resolve, POLL));
        job = await request("GET", `jobs/${job.id}`);
      }
      if (closed) return;
      Object.assign(bar, { max: 1, value: 1 });
      if (job.state === "done") await request("POST", "index/reload").catch(() => null); // the server also loads it by itself
      notice(job.state === "done" ? "The new generation is live." : `The rebuild failed: ${job.message}. The live generation has not changed.`);
    } finally {
      watching = false;
      if (!closed) await ended();
    }
  }

  /** Follows a rebuild that already runs, also one that somebody else started. */
  async function any() {
    if (watching || closed) return;
    const { jobs } = await request("GET", "jobs");
    const job = jobs.find((one) => KINDS.includes(one.kind) && isRunning(one));
    if (job && !watching) follow(job);
  }

  return { job: follow, any, watching: () => watching, close: () => (closed = true) };
}

/** Returns, for each state of a job, the seconds that its stage will still take; null if that is not known yet. */
function stageClock() {
  let [stage, began, from] = [null, 0, 0];
  return ({ message, progress, total }) => {
    const now = Date.now() / 1000;
    if (message !== stage) [stage, began, from] = [message, now, progress];
    const done = progress - from;
    return total > 1 && done > 0 && now - began >= LEAST ? ((total - progress) * (now - began)) / done : null;
  };
}

/** Finished stages plus the share of the current one. Only a re-embedding has the stage `embed`. */
function show(job, bar, message, left) {
  const stages = STAGES.slice(job.kind === "reembed" ? 0 : 1);
  const at = stages.indexOf(job.message);
  if (at < 0) return void (message.textContent = `Rebuild: ${job.message || job.state}`);
  Object.assign(bar, { max: stages.length, value: at + (job.total ? job.progress / job.total : 0) });
  const far = job.total > 1 ? `, ${job.progress.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  message.textContent = `Rebuild, step ${at + 1} of ${stages.length}: ${job.message}${far}${left === null ? "" : `, about ${duration(left)} left in this step`}`;
}
