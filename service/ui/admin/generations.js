// Panel with the state of the index: its generations, the progress of a rebuild, rollback.

import { request, may } from "../base/api.js";
import { ago, confirmDialog, counted, fill, make, notice } from "../base/elements.js";

const POLL = 300; // milliseconds; each poll reads one row of the catalog
const STAGES = ["embed", "vectors", "index", "clusters", "calibration", "recall", "gate", "publish"];
const STALE = 1800; // seconds without an update after which a job counts as killed
const KINDS = ["rebuild", "reembed"];
const isRunning = (job) => ["queued", "running"].includes(job.state) && Date.now() / 1000 - job.updated < STALE;

/** A panel with the state of the index. `loaded(about)` gets the server's answer, now and after each change. */
export function panel(loaded) {
  const work = make("div", {});
  const state = make("div", {});
  const place = make("section", { class: "panel", "aria-label": "Index" }, make("h2", {}, "Index"), state, work);
  let closed = false;
  let watching = false;

  async function refresh() {
    const about = await request("GET", "index");
    loaded(about);
    fill(state, facts(about), table(about));
    if (watching) return;
    fill(work, button(about));
    await followRunning();
  }

  /** Follows a rebuild that already runs. */
  async function followRunning() {
    const { jobs } = await request("GET", "jobs");
    const job = jobs.find((one) => KINDS.includes(one.kind) && isRunning(one));
    if (job) follow(job);
  }

  function button(about) {
    if (!may("admin")) return null;
    const pending = about.delta + about.tombstones;
    const text = pending ? `Rebuild to include ${counted(pending, "change")}` : "Rebuild";
    return make("button", { type: "button", class: pending ? "primary" : null, onclick: async () => follow(await request("POST", "index/rebuild")) }, text);
  }

  async function follow(job) {
    watching = true;
    const bar = make("progress", { "aria-label": "progress of the rebuild" });
    const message = make("p", { class: "hint", role: "status" }, "Starting the rebuild…");
    fill(work, message, bar);
    try {
      job = await untilDone(job, bar, message);
      if (closed) return;
      Object.assign(bar, { max: 1, value: 1 });
      if (job.state === "done") await request("POST", "index/reload").catch(() => null); // not allowed without an admin key; the server then loads it by itself
      notice(job.state === "done" ? "The new generation is live." : `The rebuild failed: ${job.message}. The live generation has not changed.`);
    } finally {
      watching = false;
      if (!closed) await refresh();
    }
  }

  async function untilDone(job, bar, message) {
    while (!closed && isRunning(job)) {
      showProgress(job, bar, message);
      await new Promise((resolve) => setTimeout(resolve, POLL));
      job = await request("GET", `jobs/${job.id}`);
    }
    return job;
  }

  function table(about) {
    if (!about.generations.length) return make("p", { class: "empty" }, "There is no generation yet. Added pictures can be searched already.");
    const row = (one) => make("tr", { class: one.name === about.generation ? "live" : null }, make("th", { scope: "row" }, one.name), make("td", {}, one.index_type), make("td", {}, one.count.toLocaleString("en")),
      make("td", {}, one.recall.toFixed(3)), make("td", { title: new Date(1000 * one.built_at).toLocaleString() }, ago(one.built_at)),
      make("td", {}, one.name === about.generation ? "live" : may("admin") ? back(one) : null));
    return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Kept generations" }, make("table", {}, make("caption", {}, "Kept generations"),
      make("thead", {}, make("tr", {}, ["Name", "Type", "Pictures", "Recall@10", "Built", "State"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, [...about.generations].reverse().map(row))));
  }

  function back(one) {
    const go = async () => {
      if (!(await confirmDialog(`Make generation ${one.name} live again?`, "Roll back"))) return;
      await request("POST", "index/rollback", { json: { to: one.name } });
      notice(`Generation ${one.name} is live again.`);
      await refresh();
    };
    return make("button", { type: "button", onclick: go }, "Roll back to this one");
  }

  return { element: place, refresh, close: () => (closed = true) };
}

/** Shows the progress of a job: finished stages plus the share of the current one. Only a re-embedding has the stage `embed`. */
function showProgress(job, bar, message) {
  const stages = STAGES.slice(job.kind === "reembed" ? 0 : 1);
  const at = stages.indexOf(job.message);
  if (at < 0) return void (message.textContent = `Rebuild: ${job.message || job.state}`);
  Object.assign(bar, { max: stages.length, value: at + (job.total ? job.progress / job.total : 0) });
  const far = job.total > 1 ? `, ${job.progress.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  message.textContent = `Rebuild, step ${at + 1} of ${stages.length}: ${job.message}${far}`;
}

function facts(about) {
  const rows = {
    Pictures: about.count.toLocaleString("en"), "Added since the build": about.delta, "Deleted since the build": about.tombstones, Model: about.bundle.name,
    "Near-duplicates": about.near_duplicates === null ? "not measured" : `about ${about.near_duplicates.toLocaleString("en")}`, Calibrated: about.calibrated,
  };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}
