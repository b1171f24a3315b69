// What can be done with selected pictures: set a field, disable, enable, save their keys, delete.

import { may } from "../base/api.js";
import { button } from "../base/elements.js";
import { counted, download } from "../base/words.js";
import { disable, remove, setField } from "./changes.js";
import { askForField } from "./metadata.js";

/** Buttons for `chosen` items. `changed()` is called after a change, `deleted()` after items have gone or come back. */
export function buttons(chosen, changed, deleted) {
  const save = button("Save the list of keys", () => download(chosen.map((item) => `${item.key}\n`).join(""), "selection.txt"));
  if (!may("write")) return [save];
  const set = () => askForField(counted(chosen.length, "picture"), (name, value) => setField(chosen, name, value, changed));
  return [button("Set a field…", set), button("Disable", () => disable(chosen, true, changed)), button("Enable", () => disable(chosen, false, changed)),
    save, button("Delete", () => remove(chosen, deleted), { kind: "danger", key: "Delete" })];
}
