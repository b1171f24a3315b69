// API documentation page, built from the OpenAPI document of this server: search, examples, snippets, trying it.

import { button, fill, make } from "../base/elements.js";
import { copyText } from "../base/words.js";
import { prose } from "./prose.js";
import { answers, bodies, example, parameters } from "./schema.js";
import { curl, plan, python } from "./snippets.js";
import { trying } from "./trying.js";

const view = document.getElementById("view");
const METHODS = ["get", "post", "patch", "put", "delete"];
const base = new URL(".", location.href).href.replace(/\/$/, "");
const slug = (method, path) => `${method}${path.replace(/[^a-z]+/gi, "-")}`.replace(/-$/, "");

/** All calls of the document: {method, path, operation, group, id, text}. */
function calls(paths) {
  return Object.entries(paths).flatMap(([path, operations]) => METHODS.filter((method) => method in operations).map((method) => {
    const operation = operations[method];
    const text = `${method} ${path} ${operation.summary ?? ""} ${operation.description ?? ""} ${(operation.parameters ?? []).map((one) => one.name).join(" ")}`.toLowerCase();
    return { method, path, operation, group: operation.tags?.[0] ?? "other", id: slug(method, path), text };
  }));
}

/** A call, folded. What is inside is made when it is opened. */
function section({ method, path, operation, id }, names, secret) {
  const place = make("div", {});
  const box = make("details", { class: "call", id }, make("summary", {}, make("code", {}, `${method.toUpperCase()} ${path}`), ` ${operation.summary ?? ""}`), place);
  box.addEventListener("toggle", () => {
    if (!box.open || place.childNodes.length) return;
    const wanted = plan(method, path, operation, names, secret);
    const text = example(operation);
    const attempt = make("details", {}, make("summary", {}, "Try it"), trying(method, path, operation, names));
    fill(place, ...prose(operation.description), parameters(operation, names), bodies(operation, names), answers(operation),
      snippets({ curl: curl(wanted, base), Python: python(wanted, base) }), text ? make("pre", { class: "example", tabindex: 0, "aria-label": "Example response" }, make("code", {}, text)) : null, attempt);
  });
  return box;
}

/** Texts to copy, one at a time. */
function snippets(texts) {
  const code = make("code", {});
  const tabs = Object.keys(texts).map((name) => button(name, () => choose(name)));
  const copy = button("Copy", () => copyText(code.textContent, (done) => { copy.textContent = done ? "Copied" : "Select it to copy"; setTimeout(() => (copy.textContent = "Copy"), 2000); }));
  const choose = (name) => {
    tabs.forEach((tab) => tab.setAttribute("aria-pressed", String(tab.textContent === name)));
    code.textContent = texts[name];
  };
  choose(Object.keys(texts)[0]);
  return make("div", { class: "snippet" }, make("div", { class: "bar" }, make("span", { class: "bar joined" }, tabs), copy), make("pre", { tabindex: 0, "aria-label": "Snippet" }, code));
}

async function show() {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`The server returned status ${answer.status}.`);
  const { info, paths, components = {} } = await answer.json();
  const schemes = Object.values(components.securitySchemes ?? {});
  const all = calls(paths).map((one) => ({ ...one, box: section(one, components.schemas ?? {}, Boolean(one.operation.security?.length)) }));
  const groups = [...new Set(all.map((one) => one.group))].map((name) => ({ name, title: make("h2", { id: `group-${name}` }, name), calls: all.filter((one) => one.group === name) }));
  const found = make("p", { class: "hint", role: "status" });
  const search = make("input", { type: "search", name: "find", placeholder: "path or word", "aria-label": "Search the API", oninput: () => find() });

  function find() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (one) => wanted.every((word) => one.text.includes(word));
    all.forEach((one) => (one.box.hidden = !matches(one)));
    groups.forEach(({ title, calls: these }) => (title.hidden = !these.some(matches)));
    found.textContent = wanted.length ? `${all.filter(matches).length} of ${all.length} calls` : `${all.length} calls`;
  }

  find();
  fill(view, make("div", { class: "docs" },
    make("nav", { class: "contents", "aria-label": "Groups of calls" }, search, found, groups.map(({ name }) => make("a", { href: `#group-${name}` }, name))),
    make("div", {}, make("h1", {}, `${info.title} ${info.version}`), ...prose(info.description), ...schemes.flatMap((scheme) => prose(scheme.description)),
      groups.map(({ title, calls: these }) => [title, ...these.map((one) => one.box)]).flat())));
  go();
}

/** Opens the call that the address names. */
function go() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  if (place.tagName === "DETAILS") place.open = true;
  place.scrollIntoView();
}

addEventListener("hashchange", go);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest?.("input, textarea, select")) return;
  event.preventDefault();
  view.querySelector("[type=search]")?.focus();
});
show().catch((error) => fill(view, make("p", { class: "error", role: "alert" }, error.message)));
