// Compare a query with its matches in a dialog, one match after the other, and decide about them by one key.

import { may, request } from "../base/api.js";
import { button, dialog, fill, make } from "../base/elements.js";
import { comparison, enable, facts } from "./stage.js";
import { badge, scale } from "./verdict.js";

const DONE = { confirm: "Confirmed: it is a copy.", deny: "Denied: it is no copy, and searches for this file no longer answer it." };

/** Opens the comparison of `query` (`search/query.js`) with number `at` of its `matches`. The arrow keys change the match. */
export function compare(query, matches, at) {
  const stage = comparison((by) => step(by));
  const decisions = new Map(); // id of a match -> its decisions as POST /decisions answers them; the last one counts
  const verdict = make("div", { class: "bar verdict" });
  const about = make("div", { class: "about" });
  const said = make("p", { class: "hint", "aria-live": "polite" });
  const before = button("‹", () => step(-1), { key: "←", kind: "edge", label: "Previous match" });
  const after = button("›", () => step(1), { key: "→", kind: "edge", label: "Next match" });
  const yes = button("Confirm", () => decide("confirm"), { key: "y", kind: "primary" });
  const no = button("Deny", () => decide("deny"), { key: "n", kind: "danger" });
  const undo = button("Undo", () => withdraw(), { key: "u" });
  const made = (match) => decisions.get(match.id)?.at(-1);

  const step = (by) => {
    if (!matches[at + by]) return;
    at += by;
    draw();
  };

  function draw() {
    const match = matches[at];
    stage.show(query, match);
    enable(before, at > 0);
    enable(after, at < matches.length - 1);
    box.querySelector("h2").textContent = `Match ${at + 1} of ${matches.length}`;
    verdict.dataset.verdict = match.verdict;
    fill(verdict, badge(match.verdict), scale(match.probability));
    decided();
    fill(about, facts(match),
      make("p", { class: "bar" }, make("a", { class: "button", href: `#/search?id=${match.id}`, onclick: () => box.close() }, "Search for this picture"),
        make("a", { class: "button", href: `#/attention?id=${match.id}`, onclick: () => box.close() }, "Show its attention")));
    describe(match).catch(() => null); // an item that was deleted meanwhile has no details
  }

  async function describe(match) {
    const current = () => match === matches[at] && box.open;
    query.about().then((item) => current() && stage.describe("query", item));
    match.item ??= await request("GET", `images/${match.id}`);
    if (current()) stage.describe("match", match.item);
  }

  /** Shows what was decided about the match. */
  function decided() {
    const now = made(matches[at])?.decision;
    yes.setAttribute("aria-pressed", String(now === "confirm"));
    no.setAttribute("aria-pressed", String(now === "deny"));
    yes.classList.toggle("primary", now !== "deny"); // only what was decided is filled
    if (!now && undo === document.activeElement) yes.focus();
    undo.hidden = !now;
    said.textContent = now ? DONE[now] : "";
  }

  async function decide(decision) {
    const match = matches[at];
    if (!may("write") || made(match)?.decision === decision) return;
    try {
      const sha256 = await query.sha256();
      if (!sha256) throw new Error("This browser computes no sha256 over plain HTTP; open the page by HTTPS, or on the server's machine.");
      const done = await request("POST", "decisions", { json: { decision, query: sha256, item: match.id } });
      decisions.set(match.id, [...(decisions.get(match.id) ?? []), done]);
      if (match === matches[at]) decided();
    } catch (error) {
      said.textContent = error.message;
    }
  }

  /** Takes the last decision about the match back; one that was made before it counts again. */
  async function withdraw() {
    const match = matches[at];
    const last = made(match);
    if (!last) return;
    let answer = "The decision is withdrawn.";
    decisions.set(match.id, decisions.get(match.id).slice(0, -1)); // at once, so that a second key press takes no other one back
    try {
      await request("DELETE", `decisions/${last.id}`);
    } catch (error) {
      if (error.status !== 404) decisions.get(match.id).push(last);
      answer = error.message;
    }
    if (match !== matches[at]) return;
    decided();
    said.textContent = [answer, said.textContent].join(" ");
  }

  const deciding = may("write") ? make("span", { class: "bar deciding" }, yes, no, undo) : null;
  const box = dialog("Comparison", make("div", { class: "bar between top" }, verdict, deciding), said,
    make("div", { class: "edges" }, before, stage.element, after), make("div", { class: "bar" }, stage.buttons), stage.status, about);
  box.classList.add("wide");
  const keys = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), y: () => decide("confirm"), n: () => decide("deny"), u: withdraw };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // shortcuts of the browser
    if (keys[event.key]) keys[event.key]();
    else if (!stage.press(event)) return;
    event.preventDefault();
  });
  box.addEventListener("close", stage.close);
  draw();
  stage.buttons[0].focus({ preventScroll: true });
  return box;
}
