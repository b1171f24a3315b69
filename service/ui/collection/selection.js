// Which items are selected, and the bar with what can be done with them.

import { may } from "../base/api.js";
import { button, fill, make } from "../base/elements.js";
import { counted, download } from "../base/words.js";

/** `acts` are functions of the selected items, and `all()`; `changed(ids)` is called with the ids whose selection changed. */
export class Selection {
  constructor(acts, changed) {
    Object.assign(this, { acts, changed, items: new Map(), latest: null });
    this.element = make("div", { class: "bar bulk", role: "region", "aria-label": "Selected pictures", hidden: true });
  }

  has(item) {
    return this.items.has(item.id);
  }

  /** Selects an item or not; `between`: the items up to the one before, as well. */
  toggle(item, between = []) {
    const on = !this.has(item);
    const these = [item, ...between];
    these.forEach((one) => (on ? this.items.set(one.id, one) : this.items.delete(one.id)));
    this.latest = item;
    this.draw(these);
  }

  set(items) {
    const before = [...this.items.values()];
    this.items = new Map(items.map((item) => [item.id, item]));
    this.draw([...before, ...items]);
  }

  draw(these) {
    const { size } = this.items;
    const chosen = [...this.items.values()];
    const act = (name) => () => this.acts[name](chosen);
    this.element.hidden = !size;
    fill(this.element, make("strong", { role: "status" }, `${counted(size, "picture")} selected`),
      may("write") ? [button("Set a field…", act("setField")), button("Disable", act("disable")), button("Enable", act("enable"))] : null,
      button("Save the list of keys", () => download(chosen.map((item) => `${item.key}\n`).join(""), "selection.txt")),
      may("write") ? button("Delete", act("remove"), { kind: "danger", key: "Delete" }) : null,
      button("Select all", () => this.acts.all(), { kind: "quiet" }), button("Select nothing", () => this.set([]), { key: "Esc", kind: "quiet" }));
    this.changed(these.map((item) => item.id));
  }
}
