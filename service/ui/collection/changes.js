// Changes of one item or of many, each with its undo: delete, disable, set a field.

import { request } from "../base/api.js";
import { notice } from "../base/elements.js";
import { counted } from "../base/words.js";

const AT_ONCE = 4;
const words = (items) => (items.length === 1 ? items[0].key : counted(items.length, "picture"));

/** Deletes items so that they can be restored. `done()` is called after it and after its undo. */
export async function remove(items, done) {
  const ids = items.map((item) => item.id);
  const { batch } = await request("POST", "duplicates/decisions", { json: { decisions: [{ decision: "remove", ids }] } });
  const undo = async () => {
    const { restored, left } = await request("POST", "duplicates/decisions", { json: { undo: batch } });
    notice(`${counted(restored, "picture")} restored.${left.length ? ` ${counted(left.length, "picture")} could not be restored.` : ""}`);
    await done();
  };
  notice(`${words(items)} was deleted.`.replace(/pictures was/, "pictures were"), "Undo", undo);
  await done();
}

/** Disables items, so that no search finds them, or enables them again. */
export async function disable(items, on, done) {
  const changed = items.filter((item) => item.disabled !== on);
  await each(changed, (item) => patch(item, { disabled: on }));
  notice(`${words(items)}: ${on ? "no search finds it any more" : "searches find it again"}.`, "Undo", () => disable(changed, !on, done));
  await done();
}

/** Sets a field of the metadata of items. */
export async function setField(items, name, value, done) {
  const before = items.map((item) => item.metadata);
  await each(items, (item) => patch(item, { metadata: { ...item.metadata, [name]: value } }));
  notice(`${name} of ${words(items)} was set.`, "Undo", async () => {
    await each(items, (item, place) => patch(item, { metadata: before[place] }));
    await done();
  });
  await done();
}

export const patch = async (item, json) => Object.assign(item, await request("PATCH", `images/${item.id}`, { json }));

async function each(items, act) {
  const waiting = items.entries();
  const work = async () => { for (const [place, item] of waiting) await act(item, place); };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
