// Reviews view: matches that people have to look at, one at a time, query and match side by side, one key for each verdict.

import { may, path, pictureForm, request, thumbnail, thumbnailFile } from "../base/api.js";
import { definitions, fill, labelled, make, notice, legend as keyLegend } from "../base/elements.js";
import { comparison, facts } from "../matching/stage.js";
import { badge, bar } from "../matching/verdict.js";
import { ago, counted } from "../base/words.js";
import { indexState } from "../base/index.js";

const PAGE = 100;
const SHOWN = { open: "to be reviewed", mine: "claimed by me", closed: "decided" };
const FILTERS = { open: { state: "open" }, mine: { state: "open", mine: true }, closed: { state: "closed" } };
const KEYS = [["y", "confirm: it is one"], ["n", "deny: it is not"], ["→ ←", "skip, go back"], ["r", "write a reason"], ["u", "undo the last verdict"],
  ["b o c w", "blink, outlines, what changed, why"]];

/** Shows the view. `query` may hold a `list` and `show`: open, mine or closed. */
export async function show(view, query) {
  const wanted = { list: query.get("list") ?? "", show: query.get("show") in SHOWN ? query.get("show") : "open" };
  const about = await indexState();
  const stage = comparison((by) => step(by));
  const places = new Map(); // id of a review -> promise of where its match was found
  let [reviews, total, at, closed, busy, claiming] = [[], 0, 0, false, false, Promise.resolve()];
  const made = []; // reviews that were decided here, the latest last
  const current = () => reviews[at];

  const summary = make("p", { class: "hint", role: "status" });
  const heading = make("p", { class: "bar verdict" });
  const details = make("div", { class: "about" });
  const reason = make("input", { name: "reason", maxlength: 4096, autocomplete: "off", placeholder: "why (optional)" });
  const button = (text, key, kind, action) => make("button", { type: "button", class: kind, onclick: action, title: `Shortcut: ${key}` }, text);
  const verdicts = make("div", { class: "bar verdicts" }, button("Confirm", "y", "primary", () => decide("confirm")), button("Deny", "n", "danger", () => decide("deny")),
    button("Skip", "→", null, () => step(1)), button("Back", "←", null, () => step(-1)), labelled("Reason", reason));
  const legend = keyLegend(KEYS);
  const strip = make("div", { class: "strip", role: "list", "aria-label": "reviews" });
  const desk = make("section", { class: "desk", "aria-label": "review" }, heading, stage.element, verdicts, make("p", { class: "bar" }, stage.buttons), stage.status, details, legend);
  const none = make("p", { class: "empty" });

  /** Reads the queue, and shows the review with the id `number`, or the first one. */
  async function reload(number = null) {
    const page = await request("GET", path("reviews", { ...FILTERS[wanted.show], list: wanted.list, limit: PAGE }));
    if (closed) return;
    [reviews, total, at] = [page.reviews, page.total, Math.max(0, page.reviews.findIndex((one) => one.id === number))];
    await draw();
  }

  /** Draws the current review, and claims it, so that nobody else looks at it meanwhile. */
  async function draw() {
    const review = current();
    desk.hidden = strip.hidden = !review;
    none.hidden = Boolean(review);
    none.textContent = { open: "There is nothing to review.", mine: "You have claimed no review.", closed: "Nothing was decided yet." }[wanted.show];
    summary.textContent = review ? `${at + 1} of ${counted(total, "review")}` : "";
    if (!review) return;
    const open = review.state === "open" && may("write");
    for (const control of verdicts.querySelectorAll("button.primary, button.danger, input")) control.disabled = !open;
    fill(strip, reviews.slice(Math.max(0, at - 2), at + 10).map((one) => tile(one)));
    place(review, null);
    if (open) claiming = claim(review);
    try {
      const found = await located(review);
      if (review === current() && found) place(review, found);
    } catch (error) {
      if (review === current()) stage.status.textContent = error.message;
    }
  }

  const tile = (one) => make("button", { type: "button", class: "tile", role: "listitem", "aria-current": one === current() ? "true" : null, onclick: () => step(reviews.indexOf(one) - at),
    "aria-label": `review ${one.id}: ${one.matched?.key ?? "an item that was deleted"}${one.outcome ? `, ${one.outcome}` : ""}` }, one.matched ? thumbnail(one.upload ?? one.item, "", 64) : "?");

  /** Draws a pair. `found`: the answer of /compare, when it has come. */
  function place(review, found) {
    const match = { metadata: {}, ...review.matched, id: review.item, key: review.matched?.key ?? "deleted", where: null, ...found };
    stage.show(asQuery(review), match);
    if (review.matched) stage.describe("match", review.matched);
    const verdict = review.verdict ?? "uncertain";
    const rows = [["list", review.list], ["opened", ago(review.opened)], review.assignee && ["assigned to", review.assignee],
      review.claimed_until > Date.now() / 1000 && ["claimed by", review.claimed_by], review.outcome && ["decided", `${review.outcome} by ${review.closed_by ?? "nobody"}, ${ago(review.closed)}`],
      review.reason && ["reason", review.reason]].filter(Boolean);
    heading.dataset.verdict = verdict;
    fill(heading, badge(verdict), bar(review.probability));
    fill(details, definitions(rows), found ? facts(match) : null);
  }

  function asQuery(review) {
    const { upload } = review;
    const missing = () => make("p", { class: "empty unseen" }, "This picture was only searched for, and is not stored.");
    return { name: upload ? `upload ${upload}` : review.query.slice(0, 12), picture: (size, alt = "query") => (upload ? thumbnail(upload, alt, size) : missing()),
      content: () => thumbnailFile(upload), effort: "low", explains: Boolean(upload && about.explanations) };
  }

  /** Where the match lies in the query, from the thumbnails of both; null if the query is not stored. */
  function located(review) {
    if (!review.upload || !review.matched) return null;
    if (!places.has(review.id)) {
      const files = Promise.all([thumbnailFile(review.upload), thumbnailFile(review.item)]);
      places.set(review.id, files.then((both) => request("POST", path("compare", { effort: "high" }), { form: pictureForm(both) })));
    }
    return places.get(review.id).then(({ where, verified, similarity, score }) => ({ where, verified, similarity, score, collection: review.list }));
  }

  async function claim(review) {
    try {
      const mine = await request("POST", `reviews/${review.id}/claim`, { json: {} });
      Object.assign(review, { claimed_by: mine.claimed_by, claimed_until: mine.claimed_until });
    } catch (error) {
      if (error.code !== "review_conflict") throw error;
      if (review !== current()) return;
      notice(`${error.message}.`);
      drop(review);
    }
  }

  /** Gives a claim back, after the answer to it has come. */
  function release(review) {
    if (review?.state !== "open" || !may("write")) return;
    claiming.catch(() => null).then(() => request("POST", `reviews/${review.id}/release`)).catch(() => null);
  }

  /** Takes a review out of the queue on this page. */
  async function drop(review) {
    reviews = reviews.filter((one) => one !== review);
    total = Math.max(0, total - 1);
    at = Math.min(at, Math.max(0, reviews.length - 1));
    if (!reviews.length && total) return reload();
    await draw();
  }

  function step(by) {
    if (!by || !reviews[at + by]) return;
    const left = current();
    at += by;
    release(left);
    draw();
  }

  async function decide(verdict) {
    const review = current();
    if (!review || busy || review.state !== "open" || !may("write")) return;
    busy = true;
    try {
      made.push(await request("POST", `reviews/${review.id}/verdict`, { json: { verdict, reason: reason.value } }));
      reason.value = "";
      notice(verdict === "confirm" ? "Confirmed." : "Denied.", "Undo", withdraw);
      await drop(review);
    } catch (error) {
      notice(error.message);
      if (["review_conflict", "not_found"].includes(error.code)) await drop(review);
    } finally {
      busy = false;
    }
  }

  /** Takes the last verdict back, and shows its review again. */
  async function withdraw() {
    const last = made.pop();
    if (!last) return;
    try {
      await request("DELETE", `decisions/${last.decision}`);
      notice("The verdict is withdrawn.");
    } catch (error) {
      if (error.status !== 404) made.push(last);
      return notice(error.message);
    }
    if (closed) return;
    release(current());
    await reload(last.id);
  }

  const lists = (await request("GET", "lists")).lists.filter(({ policy, name }) => policy === "review" || name === wanted.list);
  const goTo = (changes) => (location.hash = path("/reviews", { ...wanted, ...changes }));
  const choice = (name, options) => make("select", { name, onchange: (event) => goTo({ [name]: event.target.value }) },
    options.map(([value, text]) => make("option", { value, selected: value === wanted[name] }, text)));
  fill(view, make("h1", {}, "Which matches are right?"), make("div", { class: "controls" }, labelled("Show", choice("show", Object.entries(SHOWN))),
    labelled("List", choice("list", [["", "all lists"], ...lists.map(({ name }) => [name, name])]))), summary, none, desk, strip);

  const keys = { y: () => decide("confirm"), n: () => decide("deny"), ArrowRight: () => step(1), ArrowLeft: () => step(-1), r: () => reason.focus(), u: withdraw };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target === reason && ["Escape", "Enter"].includes(event.key)) reason.blur();
    if (event.target.closest?.("input, select, textarea")) return;
    if (keys[event.key]) keys[event.key]();
    else if (!current() || !stage.press(event)) return;
    event.preventDefault();
  };
  addEventListener("keydown", pressed);
  await reload();
  return { close: () => { closed = true; removeEventListener("keydown", pressed); stage.close(); release(current()); } };
}
