// Try a call on this server: fields for its parameters and its body, and the answer.

import { key } from "../base/api.js";
import { fill, labelled, make } from "../base/elements.js";
import { megabytes } from "../base/words.js";
import { sample } from "./snippets.js";

const LONGEST = 20000; // characters of an answer that are shown

/** The form of a call. */
export function trying(method, path, operation, names) {
  const content = operation.requestBody?.content ?? {};
  const inputs = new Map((operation.parameters ?? []).filter((one) => one.in !== "header").map((one) =>
    [one, make("input", { name: one.name, placeholder: placeholder(one), value: one.in === "path" && one.schema?.type === "integer" ? "1" : "", required: Boolean(one.required) })]));
  const files = "multipart/form-data" in content ? make("input", { type: "file", multiple: true, name: "file" }) : null;
  const body = !files && "application/json" in content ? make("textarea", { rows: 4, spellcheck: false, value: JSON.stringify(sample(content["application/json"], names) ?? {}, null, 1) }) : null;
  const result = make("div", { class: "result", "aria-live": "polite" });
  const send = async (event) => {
    event.preventDefault();
    fill(result, make("p", { class: "hint" }, "Waiting for the answer…"));
    try {
      fill(result, await answer(method, address(path, inputs), files, body));
    } catch (error) {
      fill(result, make("p", { class: "error", role: "alert" }, error instanceof SyntaxError ? `The body is not valid JSON: ${error.message}` : "The server cannot be reached."));
    }
  };
  return make("form", { class: "try", onsubmit: send }, make("div", { class: "controls" }, [...inputs].map(([one, input]) => labelled(`${one.name}${one.required ? "" : " (optional)"}`, input)),
    files ? labelled("Pictures", files) : null), body ? labelled("Body", body) : null,
    make("p", { class: "bar" }, make("button", { class: "primary" }, `Send ${method.toUpperCase()}`), method === "get" ? null : make("span", { class: "hint" }, "It is sent to this server for good.")), result);
}

const placeholder = ({ schema = {} }) => (schema.default === undefined || schema.default === null ? "" : String(schema.default));

function address(path, inputs) {
  const query = new URLSearchParams();
  let whole = path.slice(1);
  for (const [one, input] of inputs) {
    if (one.in === "path") whole = whole.replace(`{${one.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(one.name, input.value);
  }
  return query.size ? `${whole}?${query}` : whole;
}

async function answer(method, url, files, body) {
  const options = { method: method.toUpperCase(), headers: key.get() ? { Authorization: `Bearer ${key.get()}` } : {} };
  if (files?.files.length) {
    options.body = new FormData();
    for (const file of files.files) options.body.append("file", file, file.name);
  }
  if (body?.value.trim()) {
    options.body = JSON.stringify(JSON.parse(body.value));
    options.headers["Content-Type"] = "application/json";
  }
  const began = performance.now();
  const response = await fetch(url, options);
  const data = await response.blob();
  const line = `${response.status} ${response.statusText} · ${Math.round(performance.now() - began)} ms · ${megabytes(data.size)} · ${data.type || "no body"}`;
  return [make("p", { class: response.ok ? "hint" : "error", role: "status" }, line), await shown(data)];
}

async function shown(data) {
  if (data.type.startsWith("image/")) return make("img", { src: URL.createObjectURL(data), alt: "the answer", width: 320 });
  if (!data.size) return null;
  if (!/json|text/.test(data.type)) return make("p", { class: "hint" }, "These are bytes, which are not shown.");
  const text = await data.text();
  const neat = data.type.includes("json") && text.length < 500000 && !data.type.includes("ndjson") ? JSON.stringify(JSON.parse(text), null, 1) : text;
  return make("pre", { tabindex: 0, "aria-label": "Answer" }, make("code", {}, neat.length > LONGEST ? `${neat.slice(0, LONGEST)}\n…` : neat));
}
