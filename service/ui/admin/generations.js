// Section of the state of the index: what is served, its generations, rebuild, roll back with undo.

import { request } from "../base/api.js";
import { button, definitions, fill, make, notice, table } from "../base/elements.js";
import { ago, counted, megabytes } from "../base/words.js";
import { follower } from "./progress.js";

/** The section. `changed(about)` is called with the state of the index, now and after each change. */
export function section(changed) {
  const state = make("div", {});
  const work = make("div", {});
  const follow = follower(work, refresh);

  async function refresh() {
    const about = await request("GET", "index");
    changed(about);
    fill(state, facts(about), generations(about));
    if (!follow.watching()) fill(work, rebuild(about));
    await follow.any();
  }

  function rebuild({ delta, tombstones }) {
    const pending = delta + tombstones;
    return button(pending ? `Rebuild to include ${counted(pending, "change")}` : "Rebuild", async () => follow.job(await request("POST", "index/rebuild")), { kind: pending ? "primary" : null });
  }

  function generations({ generations: kept, generation }) {
    if (!kept.length) return make("p", { class: "empty" }, "There is no generation yet. Added pictures can be searched already.");
    const row = (one) => [one.name, one.index_type, one.count.toLocaleString("en"), one.recall.toFixed(3), ago(one.built_at), one.name === generation ? "live" : back(one.name, generation)];
    return table("Kept generations", ["Name", "Type", "Pictures", "Recall@10", "Built", "State"], [...kept].reverse().map(row));
  }

  const back = (name, live) => button("Roll back to this one", () => goTo(name, live));

  async function goTo(name, before) {
    await request("POST", "index/rollback", { json: { to: name } });
    notice(`Generation ${name} is live again.`, "Undo", () => goTo(before, name));
    await refresh();
  }

  return { element: make("section", { class: "panel", "aria-label": "Index" }, make("h2", {}, "Index"), state, work), refresh, close: follow.close };
}

function facts(about) {
  return definitions([
    ["Pictures", about.count.toLocaleString("en")], ["Added since the build", String(about.delta)], ["Deleted since the build", String(about.tombstones)],
    ["Model", about.bundle.name], ["Next model, in preparation", about.coming], ["Recall@10", about.recall === null ? "not measured" : about.recall.toFixed(3)], ["Size of the index", megabytes(about.bytes)],
    ["Near-duplicates", about.near_duplicates === null ? "not measured" : `about ${about.near_duplicates.toLocaleString("en")}`], ["Fault", about.fault],
  ].filter(([, value]) => value));
}
