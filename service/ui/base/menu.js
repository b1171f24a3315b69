// A button that opens a menu of actions, by mouse or keyboard.

import { make } from "./elements.js";

const GAP = 4; // pixels between the button and its menu

/** `entries()` returns pairs of a text and an action (a function, or an address); null ones are left out. It is called when the menu opens. */
export function menu(label, entries, text = "⋯") {
  const opener = make("button", { type: "button", class: "quiet menu-button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": label, title: label }, text);
  opener.addEventListener("click", () => open(opener, label, entries().filter(Boolean)));
  opener.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    event.stopPropagation();
    opener.click();
  });
  return opener;
}

function open(opener, label, entries) {
  const choose = (act) => { box.hidePopover(); if (typeof act === "string") location.assign(act); else act(); };
  const items = entries.map(([text, act, kind]) => make("button", { type: "button", role: "menuitem", tabindex: "-1", class: kind ?? null, onclick: () => choose(act) }, text));
  const box = make("div", { class: "menu", popover: "auto", role: "menu", "aria-label": label }, items);
  document.body.append(box);
  box.showPopover();
  place(box, opener.getBoundingClientRect());
  opener.setAttribute("aria-expanded", "true");
  items[0]?.focus();
  box.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    event.stopPropagation();
    if (next === undefined) return;
    event.preventDefault();
    items[next % items.length].focus();
  });
  box.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    const inside = box.contains(document.activeElement) || document.activeElement === document.body;
    opener.setAttribute("aria-expanded", "false");
    box.remove();
    if (inside) opener.focus({ preventScroll: true });
  });
}

function place(box, { left, right, top, bottom }) {
  const { width, height } = box.getBoundingClientRect();
  const below = bottom + GAP + height <= innerHeight;
  box.style.top = `${below ? bottom + GAP : Math.max(GAP, top - GAP - height)}px`;
  box.style.left = `${Math.max(GAP, left + width <= innerWidth ? left : right - width)}px`;
}
