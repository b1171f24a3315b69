// Search view: find copies of pictures, with a verdict for each match and a comparison.

import { Answer } from "./answer.js";
import { request } from "../base/api.js";
import { dropzone } from "../base/dropzone.js";
import { counted, fill, make } from "../base/elements.js";
import { examples } from "./examples.js";
import { address, controls, read } from "./options.js";

const AT_ONCE = 4;

/** Shows the view. `query` may hold `id`, the item to search for, and options (`options.js`). */
export async function show(view, query) {
  const options = read(query);
  const about = await request("GET", "index");
  const results = make("div", { class: "results" });
  const summary = make("p", { class: "summary", role: "status" });
  const clear = make("button", { type: "button", class: "quiet", hidden: true, onclick: () => remove(...answers) }, "Clear");
  const tries = make("p", { class: "examples" });
  const zone = dropzone("Search for pictures", (files) => receive(files));
  let answers = [];

  /** Searches for pictures, a few at a time; the latest ones are on top. */
  async function receive(files) {
    await searchFor(files.map((file) => ({ name: file.name, file })));
  }

  async function searchFor(queries) {
    const added = queries.map((one) => new Answer(one, options, remove, about.bundle.explanations));
    answers = [...added, ...answers];
    results.prepend(...added.map((one) => one.section));
    answers.forEach((one) => one.shorten(answers.length > 1));
    zone.classList.add("slim");
    tries.hidden = true;
    await findAll(added);
  }

  async function findAll(these) {
    const waiting = [...these];
    summarise();
    const work = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        await one.find();
        summarise();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  function summarise() {
    clear.hidden = answers.length < 2;
    if (answers.length < 2) return fill(summary);
    const count = (state) => answers.filter((one) => one.state === state).length;
    const labels = [["copied", "found"], ["unsure", "possibly found"], ["new", "not found"], ["failed", "failed"], ["waiting", "searching"]];
    const parts = labels.filter(([state]) => count(state)).map(([state, words]) => `${count(state)} ${words}`);
    return fill(summary, `${counted(answers.length, "picture")}: ${parts.join(", ")}`);
  }

  function remove(...these) {
    these.forEach((one) => { one.close(); one.section.remove(); });
    answers = answers.filter((one) => !these.includes(one));
    if (answers.length === 1) answers[0].shorten(false);
    summarise();
    if (answers.length) return;
    zone.classList.remove("slim");
    tries.hidden = false;
    if (!tries.childNodes.length) examples(tries, "search", "Or try one of these:");
    history.replaceState(null, "", address(options));
  }

  function changed(again) {
    history.replaceState(null, "", address(options, answers.length === 1 ? answers[0].id : null));
    if (again) return findAll(answers);
    return answers.forEach((one) => one.draw());
  }

  fill(view, make("h1", {}, "Have we seen this picture before?"), zone, tries, controls(options, about, changed),
    make("div", { class: "bar between" }, summary, clear), results);
  const id = Number(query.get("id"));
  if (id) searchFor([{ name: `item ${id}`, id }]);
  else await examples(tries, "search", "Or try one of these:");
  return { receive, close: () => answers.forEach((one) => one.close()) };
}
