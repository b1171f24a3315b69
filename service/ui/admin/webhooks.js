// Section of the webhooks: create, test, pause, delete; what could not be delivered.

import { request } from "../base/api.js";
import { button, confirmDialog, dialog, fill, labelled, make, notice, table } from "../base/elements.js";
import { menu } from "../base/menu.js";
import { ago, copyText } from "../base/words.js";

export function section() {
  const place = make("div", {});

  async function refresh() {
    const { webhooks } = await request("GET", "webhooks");
    fill(place, webhooks.length ? table("Webhooks of this server", ["Address", "Hears of", "State", "Pending", "Given up", "Created", ""], webhooks.map(row)) : make("p", { class: "hint" }, "There is no webhook."));
  }

  function row(one) {
    const state = one.enabled ? "active" : `paused${one.fault ? `: ${one.fault}` : ""}`;
    return [one.url, (one.types ?? []).join(", ") || "everything", state, one.pending.toLocaleString("en"), one.failed.toLocaleString("en"), ago(one.created), menu(`Actions for ${one.url}`, () => [
      ["Send a test event", () => test(one)], [one.enabled ? "Pause" : "Resume", () => enable(one, !one.enabled)], ["Show deliveries", () => deliveries(one)], ["Delete", () => remove(one), "danger"]])];
  }

  async function test(one) {
    await request("POST", `webhooks/${one.id}/test`);
    notice(`A test event is on its way to ${one.url}.`);
    await refresh();
  }

  async function enable(one, on) {
    await request("PATCH", `webhooks/${one.id}`, { json: { enabled: on } });
    notice(`The webhook is ${on ? "active" : "paused"}.`, "Undo", () => enable(one, !on));
    await refresh();
  }

  async function remove(one) {
    if (!(await confirmDialog(`Delete the webhook ${one.url}? Its secret and its pending events are lost.`, "Delete"))) return;
    await request("DELETE", `webhooks/${one.id}`);
    notice("The webhook was deleted.");
    await refresh();
  }

  async function create(event) {
    event.preventDefault();
    const types = kinds.value.split(",").map((one) => one.trim()).filter(Boolean);
    try {
      const made = await request("POST", "webhooks", { json: { url: url.value.trim(), ...(types.length ? { types } : {}) } });
      fill(wrong);
      form.reset();
      secret(made);
    } catch (error) {
      fill(wrong, error.message);
    }
    await refresh();
  }

  const url = make("input", { type: "url", name: "url", required: true, placeholder: "https://…" });
  const kinds = make("input", { name: "types", placeholder: "match.created" });
  const wrong = make("p", { class: "error", role: "alert" });
  const form = make("form", { class: "controls", onsubmit: create }, labelled("Address", url), labelled("Events, separated by commas", kinds), make("button", {}, "Create a webhook"));
  return { element: make("section", { class: "panel", "aria-label": "Webhooks" }, make("h2", {}, "Webhooks"), place, form, wrong), refresh };
}

/** Shows the secret, which the server tells only once. */
function secret({ url, secret: text }) {
  dialog("Secret of the webhook", make("p", {}, `The events for ${url} are signed with it. It is not shown again.`), make("p", {}, make("code", { class: "secret" }, text)),
    button("Copy", () => copyText(text, (done) => notice(done ? "Copied." : "Select the text and copy it.")), { kind: "primary" }));
}

async function deliveries({ id, url }) {
  const { deliveries: found } = await request("GET", `webhooks/${id}/deliveries`);
  const row = (one) => [one.type, one.state, String(one.attempts), one.status === null ? "" : String(one.status), one.error ?? "", ago(one.tried)];
  dialog(`Deliveries to ${url}`, found.length ? table("Deliveries", ["Event", "State", "Attempts", "Status", "Error", "Tried"], found.map(row)) : make("p", { class: "hint" }, "Nothing was sent yet.")).classList.add("wide");
}
