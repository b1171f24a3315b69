// Generations of the index: how it stands, a rebuild that is watched, a way back.

import { ask, may } from "./api.js";
import { ago, confirmed, fill, make, notice } from "./elements.js";

const POLL = 700; // milliseconds

/** A panel on the state of the index; `changed()` is called when another generation is live. */
export function panel(changed) {
  const place = make("section", { class: "panel", "aria-label": "Index" });
  let closed = false;

  async function refresh() {
    const about = await ask("GET", "index");
    fill(place, make("h2", {}, "Index"), facts(about), work(about), table(about));
  }

  function work(about) {
    if (!may("admin")) return null;
    const pending = about.delta + about.tombstones;
    const text = pending ? `Rebuild, to fold in ${pending} changes` : "Rebuild";
    return make("p", { class: "bar" }, make("button", { type: "button", class: "primary", onclick: rebuild }, text));
  }

  async function rebuild() {
    await follow(await ask("POST", "index/rebuild"));
  }

  async function follow(job) {
    const bar = make("progress", { "aria-label": "progress of the rebuild" });
    const said = make("p", { role: "status" }, "The rebuild begins.");
    fill(place, make("h2", {}, "Rebuild"), bar, said);
    while (!closed && (job.state === "queued" || job.state === "running")) {
      if (job.total) Object.assign(bar, { max: job.total, value: job.progress });
      said.textContent = job.message || job.state;
      await new Promise((resolve) => setTimeout(resolve, POLL));
      job = await ask("GET", `jobs/${job.id}`);
    }
    if (closed) return;
    notice(job.state === "done" ? "The new generation is live." : `The rebuild did not succeed: ${job.message}. The live generation stays.`);
    await ask("POST", "index/reload");
    await refresh();
    changed();
  }

  function table(about) {
    if (!about.generations.length) return null;
    const row = (one) => make("tr", {}, make("th", { scope: "row" }, one.name), make("td", {}, one.index_type), make("td", {}, String(one.count)),
      make("td", {}, one.recall.toFixed(3)), make("td", {}, ago(one.built_at)),
      make("td", {}, one.name === about.generation ? "live" : may("admin") ? back(one) : null));
    return make("div", { class: "scroll", tabindex: "0" }, make("table", {}, make("caption", {}, "Generations that are kept"),
      make("thead", {}, make("tr", {}, ["Name", "Type", "Pictures", "Recall@10", "Built", "State"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, [...about.generations].reverse().map(row))));
  }

  function back(one) {
    const go = async () => {
      if (!(await confirmed(`Make generation ${one.name} live again?`, "Roll back"))) return;
      await ask("POST", "index/rollback", { json: { to: one.name } });
      notice(`Generation ${one.name} is live again.`);
      await refresh();
      changed();
    };
    return make("button", { type: "button", onclick: go }, "Roll back to it");
  }

  return { element: place, refresh, close: () => (closed = true) };
}

function facts(about) {
  const calibrated = about.calibration?.normal;
  const rows = {
    Pictures: about.count, Generation: about.generation ?? "none yet", Type: about.index_type, "Recall@10": about.recall?.toFixed(3) ?? "–",
    Built: ago(about.built_at), "Newer than it": about.delta, Deleted: about.tombstones, Model: about.bundle.name,
    Calibrated: calibrated ? `on ${calibrated.samples} answers of the ${calibrated.source}` : "no",
  };
  return make("dl", { class: "facts" }, Object.entries(rows).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
}
