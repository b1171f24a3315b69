// Duplicates view: groups of copies in rows, decided one by one with the keyboard, or all at once by a rule; undo.

import { request, may, path } from "../base/api.js";
import { group, HEIGHT } from "./duplicate_group.js";
import { choices, confirmDialog, fill, labelled, make, notice, slider, legend as keyLegend } from "../base/elements.js";
import { Windowed } from "../base/windowed.js";
import { ago, counted, megabytes } from "../base/words.js";
import { collectionChoices, indexState } from "../base/index.js";

const PAGE = 50;
const MOST = 500; // groups that are fetched at once after a decision
const POLL = 400; // milliseconds
const WHOLE_ROW = 1e6;
const RULES = {
  "resolution,bytes,date,oldest": "most pixels", "bytes,resolution,oldest": "largest file", "format,resolution,bytes": "best format",
  "date,resolution,oldest": "earliest exposure", "oldest,resolution": "oldest file", "camera,resolution,bytes": "names its camera",
};
const KINDS = { "": "all copies", exact: "same picture", resized: "resized", edited: "edited", part: "part of another" };
const KEYS = [["↓ ↑", "next, previous group"], ["← →", "choose a picture"], ["k", "remove the copies"], ["s", "keep the chosen one"],
  ["n", "the chosen one is no duplicate"], ["a", "keep all"], ["f", "search again"], ["u", "undo"]];

/** Shows the view. `query` may hold a `collection`. */
export async function show(view, query) {
  const wanted = { collection: query.get("collection") ?? "", min_probability: 0.9, keep: Object.keys(RULES)[0], verdict: "", prefix: "" };
  const batches = []; // of this visit, the latest last
  let [groups, answer, at, chosen, closed, loading] = [[], null, 0, 1, false, false];
  const state = make("div", { class: "state" });
  const summary = make("p", { class: "hint", role: "status" });
  const bulk = make("button", { type: "button", class: "danger", onclick: () => resolveAll() });
  const back = make("button", { type: "button", onclick: () => undo(), title: "Shortcut: u" }, "Undo");
  const row = (number) => group(groups[number], { number, total: answer.total, chosen: number === at ? chosen : -1, choose: (place) => select(number, place), act });
  const grid = new Windowed({ width: WHOLE_ROW, height: HEIGHT(), tile: row, near: (_, last) => last >= groups.length && more(), label: "groups of copies" });

  const fetchGroups = (offset, limit) => request("GET", path("duplicates", { ...wanted, offset, limit }));

  async function reload(limit = PAGE) {
    answer = await fetchGroups(0, Math.min(MOST, Math.max(PAGE, limit)));
    if (closed) return;
    groups = answer.groups;
    at = Math.max(0, Math.min(at, groups.length - 1));
    chosen = Math.min(chosen, groups[at]?.members.length ?? 0);
    draw();
  }

  async function more() {
    if (loading || !answer || groups.length >= answer.total) return;
    loading = true;
    const page = await fetchGroups(groups.length, PAGE).finally(() => (loading = false));
    groups = groups.concat(page.groups);
    grid.show(groups.length, false);
  }

  function draw() {
    const { total, copies, bytes, computed } = answer;
    summary.textContent = !computed ? "" : total ? `${counted(total, "group")} with ${counted(copies, "copy", "copies")}, ${megabytes(bytes)}` : "There are no copies to decide about.";
    bulk.textContent = `Remove the copies of all ${counted(total, "group")}…`;
    bulk.hidden = !total || !may("write");
    back.hidden = !may("write") || (!batches.length && !answer.undo);
    tools.hidden = legend.hidden = !computed;
    searched();
    grid.show(groups.length);
  }

  /** The line that says from when the groups are, or the progress of a search. */
  function searched() {
    const { computed, job } = answer;
    if (job && ["queued", "running"].includes(job.state)) return void follow(job);
    const start = may("write") ? make("button", { type: "button", class: computed ? null : "primary", onclick: find }, computed ? "Search again" : "Find the copies") : null;
    const failed = job?.state === "failed" ? make("p", { class: "error", role: "alert" }, `The last search failed: ${job.message}`) : null;
    const news = computed?.new ? `, ${counted(computed.new, "picture")} added or replaced since` : "";
    fill(state, make("div", { class: "bar" }, make("p", { class: "hint" }, computed
      ? `${counted(computed.searched, "picture")} searched ${ago(computed.made)}${news}.` : "The pictures were not searched for copies yet."), start), failed);
  }

  async function find() {
    follow(await request("POST", "duplicates", { json: wanted.collection ? { collection: wanted.collection } : {} }));
  }

  async function follow(job) {
    const bar = make("progress", { "aria-label": "progress of the search" });
    const message = make("p", { class: "hint", role: "status" });
    fill(state, message, bar);
    while (!closed && ["queued", "running"].includes(job.state)) {
      message.textContent = job.total ? `Searching: ${job.message}, ${job.progress.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "Starting the search…";
      if (job.total) Object.assign(bar, { max: job.total, value: job.progress });
      await new Promise((resolve) => setTimeout(resolve, POLL));
      job = await request("GET", `jobs/${job.id}`);
    }
    if (!closed) await reload();
  }

  /** Makes another group current, or chooses another picture in it (0: the kept one). */
  function select(number, place = 1, focus = true) {
    if (!groups[number]) return;
    const before = at;
    [at, chosen] = [number, Math.max(0, Math.min(place, groups[number].members.length))];
    const top = grid.element.getBoundingClientRect().top + scrollY + number * grid.height - 70;
    if (top < scrollY || top + grid.height + 90 > scrollY + innerHeight) scrollTo(0, top);
    grid.refresh(before);
    grid.refresh(at);
    if (focus) grid.element.querySelector(".group[aria-current] [aria-pressed=true]")?.focus({ preventScroll: true });
  }

  const ids = (one) => [one.keep, ...one.members].map((picture) => picture.id);

  /** Does what a button or a key says to group `number`, and its picture `place`. */
  async function act(name, number, place) {
    const one = groups[number];
    if (!one || !may("write")) return;
    const picture = one.members[place - 1] ?? (one.members.length === 1 ? one.members[0] : null);
    if (!picture && ["swap", "apart"].includes(name)) {
      select(number, 1);
      return notice("Choose one of the copies with ← and →, then press again.");
    }
    at = number;
    const acts = {
      keep: () => [[{ decision: "remove", ids: one.members.map((member) => member.id) }], `${counted(one.members.length, "copy", "copies")} of ${one.keep.key} removed.`],
      swap: () => [[{ decision: "keep", ids: [picture.id, ...ids(one).filter((id) => id !== picture.id)] }], `${picture.key} is kept now.`],
      apart: () => [[{ decision: "not_duplicates", ids: [one.keep.id, picture.id] }], `${picture.key} is no duplicate of ${one.keep.key}.`],
      all: () => [[{ decision: "keep_all", ids: ids(one) }], `All ${counted(one.members.length + 1, "picture")} are kept.`],
    };
    const [decisions, said] = acts[name]();
    await decide({ decisions }, said);
  }

  async function decide(json, said) {
    const done = await request("POST", "duplicates/decisions", { json });
    batches.push(done.batch);
    notice(`${said ?? `${counted(done.removed, "picture")} removed.`} Press u to undo.`);
    await reload(groups.length);
    if (groups.length) select(at, chosen);
  }

  async function undo() {
    const batch = batches.pop() ?? answer.undo;
    if (!batch || !may("write")) return;
    const done = await request("POST", "duplicates/decisions", { json: { undo: batch } });
    const back = [done.restored ? `${counted(done.restored, "picture")} restored` : null, done.decisions ? `${counted(done.decisions, "decision")} forgotten` : null];
    notice(`Undone: ${back.filter(Boolean).join(", ") || "nothing was left to restore"}.${done.left.length ? ` ${counted(done.left.length, "picture")} could not be restored.` : ""}`);
    await reload(groups.length + 1);
  }

  async function resolveAll() {
    const question = `Remove ${counted(answer.copies, "copy", "copies")} in ${counted(answer.total, "group")}, and keep in each: ${RULES[wanted.keep]}?`;
    if (!(await confirmDialog(question, "Remove the copies"))) return;
    await decide({ resolve: Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== "")) });
  }

  const changed = async (name, value) => { wanted[name] = value; at = 0; await reload(); };
  const choice = (name, options) => make("select", { name, onchange: (event) => changed(name, event.target.value) },
    Object.entries(options).map(([value, text]) => make("option", { value, selected: value === wanted[name] }, text)));
  const which = make("select", { name: "collection", onchange: () => (location.hash = path("/duplicates", { collection: which.value })) });
  let timer = null;
  const later = (name) => (value) => { clearTimeout(timer); timer = setTimeout(() => changed(name, value), 200); };
  const tools = make("div", { class: "controls" }, labelled("Keep", choice("keep", RULES)), labelled("Copies", choice("verdict", KINDS)),
    slider("Minimum probability", { least: 0.5, value: wanted.min_probability }, later("min_probability")),
    labelled("Key begins with", make("input", { name: "prefix", oninput: (event) => later("prefix")(event.target.value) })));
  const legend = keyLegend(KEYS);
  fill(view, make("h1", {}, "Which pictures are copies?"), make("section", { class: "panel searched", "aria-label": "Search for copies" }, labelled("Collection", which), state), tools,
    make("div", { class: "bar between" }, summary, make("span", { class: "bar" }, back, bulk)), legend, grid.element);
  const about = await indexState();
  fill(which, choices(collectionChoices(about, wanted.collection), wanted.collection));

  const keys = {
    ArrowDown: () => select(at + 1), ArrowUp: () => select(at - 1), ArrowRight: () => select(at, chosen + 1), ArrowLeft: () => select(at, chosen - 1),
    k: () => act("keep", at, chosen), s: () => act("swap", at, chosen), n: () => act("apart", at, chosen), a: () => act("all", at, chosen), f: () => may("write") && find(), u: undo,
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.closest?.("input, select, textarea")) return;
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  addEventListener("keydown", pressed);
  await reload();
  return { close: () => { closed = true; removeEventListener("keydown", pressed); clearTimeout(timer); grid.close(); } };
}
