// Add pictures to a collection, a few at a time, and show the outcome of each.

import { request, pictureForm } from "../base/api.js";
import { fill, make } from "../base/elements.js";

const AT_ONCE = 3;

/** Adds `files` to a collection, and shows the progress and the errors in `place`. Resolves to the outcomes when all are done. */
export async function add(files, collection, place) {
  const bar = make("progress", { max: files.length, value: 0, "aria-label": "progress of adding pictures" });
  const status = make("p", { role: "status" });
  const list = make("ul", { class: "outcomes" });
  fill(place, bar, status, list);
  const outcomes = { added: 0, known: 0, failed: 0 };
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const [kind, text] = await addOne(file, collection);
      outcomes[kind] += 1;
      if (kind === "failed") list.append(make("li", { class: "error" }, `${file.name}: ${text}`));
      bar.value += 1;
      status.textContent = `${outcomes.added} added, ${outcomes.known} already in the collection, ${outcomes.failed} failed, ${files.length - bar.value} remaining`;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes;
}

async function addOne(file, collection) {
  try {
    const { status } = await request("POST", "images", { form: pictureForm([file], { key: file.name, collection }) });
    return [status === "created" ? "added" : "known", ""];
  } catch (error) {
    return ["failed", error.message];
  }
}
