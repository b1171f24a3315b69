// One group of copies in a row: the kept picture, marked and with the reason, and its copies with their sizes and dates.

import { may, thumbnail } from "../base/api.js";
import { make, named } from "../base/elements.js";
import { bar } from "../matching/verdict.js";
import { about, counted, megabytes } from "../base/words.js";

export const HEIGHT = () => (innerWidth < 560 ? 440 : 384); // pixels of a row
const WORDS = { exact: "same picture", resized: "resized", edited: "edited", part: "part of it" };
const TONES = { exact: "exact", resized: "copy", edited: "copy", part: "copy" };
const ACTIONS = [["keep", "Remove copies", "k"], ["swap", "Keep the chosen one", "s"], ["apart", "Not a duplicate", "n"], ["all", "Keep all", "a"]];

/** The row of group `number`. `chosen` is the place of its chosen picture (0: the kept one), -1 if another group is current. */
export function group(one, { number, total, chosen, choose, act }) {
  const freed = one.members.reduce((sum, member) => sum + (member.bytes ?? 0), 0);
  const buttons = may("write") ? ACTIONS.map(([name, text, key]) =>
    make("button", { type: "button", onclick: () => act(name, number, chosen), title: `Shortcut: ${key}` }, text)) : [];
  const pictures = [one.keep, ...one.members].map((picture, place) => figure(picture, place, one.reason, place === chosen, () => choose(place)));
  return make("div", { class: "group", role: "group", "aria-label": `Group ${number + 1} of ${total}: ${one.keep.key}`, "aria-current": chosen >= 0 ? "true" : null },
    make("div", { class: "bar between" }, make("p", { class: "hint" }, `${counted(one.members.length, "copy", "copies")}${freed ? `, ${megabytes(freed)}` : ""}`),
      make("span", { class: "bar" }, buttons)),
    make("div", { class: "copies" }, pictures));
}

function figure(picture, place, reason, pressed, choose) {
  const kept = place === 0;
  const label = kept ? `${picture.key}, kept: ${reason}` : `${picture.key}, ${WORDS[picture.verdict]}`;
  return make("button", { type: "button", class: kept ? "one kept" : "one", "aria-pressed": String(pressed), "aria-label": label, onclick: choose, "data-verdict": kept ? null : TONES[picture.verdict] },
    thumbnail(picture.id, "", 150), make("span", { class: "tag" }, kept ? `kept: ${reason}` : WORDS[picture.verdict]),
    named(picture.key), kept ? make("span", { class: "probability" }) : bar(picture.probability),
    lines(picture).map((text) => make("span", { class: "hint" }, text)));
}

/** Size and format on one line, date and camera on the next. */
function lines({ taken, modified, camera, ...size }) {
  return [about(size), about({ taken, modified, camera }) || "no date known"];
}
