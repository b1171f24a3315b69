// Drop zone for pictures: one line. They can be dropped on the whole page, chosen, or pasted (`page.js` handles both).

import { make } from "./elements.js";

/** A drop zone that is also a button. `received(files)` gets an array of File. */
export function dropzone(text, received, { multiple = true } = {}) {
  const input = make("input", { type: "file", accept: "image/*", multiple, hidden: true });
  input.addEventListener("change", () => {
    received([...input.files]);
    input.value = "";
  });
  const zone = make("button", { type: "button", class: "dropzone", onclick: () => input.click(), title: "Shortcut: o" },
    make("strong", {}, text), make("span", {}, "Drop, paste or choose files"));
  const over = (on) => () => zone.classList.toggle("over", on);
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    zone.classList.remove("over");
    received([...event.dataTransfer.files].slice(0, multiple ? undefined : 1));
  });
  return make("div", {}, zone, input);
}
