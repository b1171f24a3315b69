// Adding pictures: a few at a time, each with its own outcome.

import { ask, pictures } from "./api.js";
import { fill, make } from "./elements.js";

const AT_ONCE = 3;

/** Adds `files` to a collection and shows in `place` how far it is and what became of each; resolves when all are done. */
export async function add(files, collection, place) {
  const bar = make("progress", { max: files.length, value: 0, "aria-label": "pictures added" });
  const said = make("p", { role: "status" });
  const list = make("ul", { class: "outcomes" });
  fill(place, bar, said, list);
  const outcomes = { added: 0, known: 0, refused: 0 };
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const [kind, text] = await addOne(file, collection);
      outcomes[kind] += 1;
      if (kind === "refused") list.append(make("li", { class: "error" }, `${file.name}: ${text}`));
      bar.value += 1;
      said.textContent = `${outcomes.added} added, ${outcomes.known} were there already, ${outcomes.refused} refused; ${files.length - bar.value} to go`;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcomes;
}

async function addOne(file, collection) {
  try {
    const { status } = await ask("POST", "images", { form: pictures([file], { key: file.name, collection }) });
    return [status === "created" ? "added" : "known", ""];
  } catch (error) {
    return ["refused", error.message];
  }
}
