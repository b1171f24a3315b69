// Ask for an API key. A wrong one stays in its field, with the reason in red.

import { key, loadScope } from "./api.js";
import { dialog, labelled, make } from "./elements.js";

/** Opens the dialog. `why` says why a key is needed; `error` what is wrong with the one at hand. `accepted()` is called when the server knows the key, or it was forgotten. */
export function askForKey(why, accepted, error = null) {
  document.querySelector("dialog.key")?.close();
  const before = key.get();
  const input = make("input", { type: "password", autocomplete: "off", required: true, id: "key-value", value: error ? before ?? "" : "" });
  const message = make("p", { class: "error", role: "alert", hidden: true, id: "key-error" });
  input.setAttribute("aria-describedby", "key-error");

  function refuse(text) {
    Object.assign(message, { textContent: text, hidden: false });
    input.setAttribute("aria-invalid", "true");
    input.select();
  }

  const save = async (event) => {
    event.preventDefault();
    key.set(input.value.trim());
    try {
      await loadScope();
    } catch (found) {
      key.set(before);
      return refuse(found.message);
    }
    box.close();
    return accepted();
  };
  const forget = () => { key.set(null); box.close(); accepted(); };
  const box = dialog("API key",
    make("p", {}, why),
    make("form", { onsubmit: save }, labelled("Key", input), message,
      make("p", { class: "bar" }, make("button", { class: "primary" }, "Use this key"),
        before ? make("button", { type: "button", onclick: forget }, "Forget the key") : null)),
    make("p", { class: "hint" }, "The key is kept in this tab and only sent to this server."));
  box.classList.add("key");
  input.focus();
  if (error) refuse(error);
}
