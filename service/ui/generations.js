// Generations of the index: how it stands, a rebuild that is watched, a way back.

import { ask, may } from "./api.js";
import { ago, confirmed, counted, fill, make, notice } from "./elements.js";

const POLL = 300; // milliseconds; an answer is a row of the catalog
const STAGES = ["embed", "vectors", "index", "clusters", "calibration", "recall", "gate", "publish"];
const SILENT = 1800; // seconds after which a job that says nothing was killed, or as good as
const KINDS = ["rebuild", "reembed"];
const atWork = (job) => ["queued", "running"].includes(job.state) && Date.now() / 1000 - job.updated < SILENT;

/** A panel on the state of the index; `read(about)` hears what the server says of it, now and after each change. */
export function panel(read) {
  const work = make("div", {});
  const state = make("div", {});
  const place = make("section", { class: "panel", "aria-label": "Index" }, make("h2", {}, "Index"), state, work);
  let closed = false;
  let watching = false;

  async function refresh() {
    const about = await ask("GET", "index");
    read(about);
    fill(state, facts(about), table(about));
    if (watching) return;
    fill(work, button(about));
    await join();
  }

  /** Watches a rebuild that is under way already. */
  async function join() {
    const { jobs } = await ask("GET", "jobs");
    const job = jobs.find((one) => KINDS.includes(one.kind) && atWork(one));
    if (job) follow(job);
  }

  function button(about) {
    if (!may("admin")) return null;
    const pending = about.delta + about.tombstones;
    const text = pending ? `Rebuild, to fold in ${counted(pending, "change")}` : "Rebuild";
    return make("button", { type: "button", class: pending ? "primary" : null, onclick: async () => follow(await ask("POST", "index/rebuild")) }, text);
  }

  async function follow(job) {
    watching = true;
    const bar = make("progress", { "aria-label": "progress of the rebuild" });
    const said = make("p", { class: "hint", role: "status" }, "The rebuild begins.");
    fill(work, said, bar);
    try {
      job = await ended(job, bar, said);
      if (closed) return;
      Object.assign(bar, { max: 1, value: 1 });
      if (job.state === "done") await ask("POST", "index/reload").catch(() => null); // a key that only reads may not: it comes by itself
      notice(job.state === "done" ? "The new generation is live." : `The rebuild did not succeed: ${job.message}. The live generation stays.`);
    } finally {
      watching = false;
      if (!closed) await refresh();
    }
  }

  async function ended(job, bar, said) {
    while (!closed && atWork(job)) {
      tell(job, bar, said);
      await new Promise((resolve) => setTimeout(resolve, POLL));
      job = await ask("GET", `jobs/${job.id}`);
    }
    return job;
  }

  function table(about) {
    if (!about.generations.length) return make("p", { class: "empty" }, "No generation yet: pictures that are added are found all the same.");
    const row = (one) => make("tr", { class: one.name === about.generation ? "live" : null }, make("th", { scope: "row" }, one.name), make("td", {}, one.index_type), make("td", {}, one.count.toLocaleString("en")),
      make("td", {}, one.recall.toFixed(3)), make("td", { title: new Date(1000 * one.built_at).toLocaleString() }, ago(one.built_at)),
      make("td", {}, one.name === about.generation ? "live" : may("admin") ? back(one) : null));
    return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Generations that are kept" }, make("table", {}, make("caption", {}, "Generations that are kept"),
      make("thead", {}, make("tr", {}, ["Name", "Type", "Pictures", "Recall@10", "Built", "State"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, [...about.generations].reverse().map(row))));
  }

  function back(one) {
    const go = async () => {
      if (!(await confirmed(`Make generation ${one.name} live again?`, "Roll back"))) return;
      await ask("POST", "index/rollback", { json: { to: one.name } });
      notice(`Generation ${one.name} is live again.`);
      await refresh();
    };
    return make("button", { type: "button", onclick: go }, "Roll back to it");
  }

  return { element: place, refresh, close: () => (closed = true) };
}

/** How far a job is: a share of its stage, and so many stages of all; only a re-embedding embeds. */
function tell(job, bar, said) {
  const stages = STAGES.slice(job.kind === "reembed" ? 0 : 1);
  const at = stages.indexOf(job.message);
  if (at < 0) return void (said.textContent = `Rebuild: ${job.message || job.state}`);
  Object.assign(bar, { max: stages.length, value: at + (job.total ? job.progress / job.total : 0) });
  const far = job.total > 1 ? `, ${job.progress.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  said.textContent = `Rebuild, step ${at + 1} of ${stages.length}: ${job.message}${far}`;
}

function facts(about) {
  const calibrated = about.calibration?.normal;
  const rows = {
    Pictures: about.count.toLocaleString("en"), "Added since": about.delta, "Deleted since": about.tombstones, Model: about.bundle.name,
    Calibrated: calibrated ? `on ${calibrated.samples.toLocaleString("en")} answers of the ${calibrated.source}` : "no",
  };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}
