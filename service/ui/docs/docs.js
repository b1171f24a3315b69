// API documentation page, built from the OpenAPI document of this server.

import { fill, make } from "../base/elements.js";

const view = document.getElementById("view");
const METHODS = ["get", "post", "patch", "put", "delete"];

/** A schema in a few words, for example "integer ≥ 1 or null". */
function words(schema = {}, names = {}) {
  if (schema.$ref) return words(names[schema.$ref.split("/").pop()], names);
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.map((one) => words(one, names)).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  const parts = [schema.format === "binary" ? "bytes" : schema.type ?? "any"];
  if (schema.items) parts.push(`of ${words(schema.items, names)}`);
  if (schema.minimum !== undefined) parts.push(`≥ ${schema.minimum}`);
  if (schema.maximum !== undefined) parts.push(`≤ ${schema.maximum}`);
  if (schema.default !== undefined && schema.default !== null) parts.push(`(default ${JSON.stringify(schema.default)})`);
  return parts.join(" ");
}

/** Paragraphs of a text: `code` between backticks, a blank line between paragraphs. */
function prose(text = "") {
  return text.split(/\n\s*\n/).filter(Boolean).map((part) =>
    make("p", {}, part.split("`").map((piece, place) => (place % 2 ? make("code", {}, piece) : piece))));
}

function table(heads, rows) {
  if (!rows.length) return null;
  const cells = (kind, row) => make("tr", {}, row.map((cell) => make(kind, {}, cell)));
  return make("table", {}, make("thead", {}, cells("th", heads)), make("tbody", {}, rows.map((row) => cells("td", row))));
}

function parameters(operation, names) {
  return table(["Parameter", "In", "Type", ""], (operation.parameters ?? []).map((one) =>
    [make("code", {}, one.name), one.required ? `${one.in}, required` : one.in, words(one.schema, names), one.description ?? ""]));
}

function bodies(operation, names) {
  const rows = Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema = {} }]) => {
    const known = schema.$ref ? names[schema.$ref.split("/").pop()] : schema;
    const fields = Object.entries(known?.properties ?? {});
    if (!fields.length) return [[make("code", {}, type), "", words(known, names), known?.description ?? ""]];
    return fields.map(([name, field], place) =>
      [place ? "" : make("code", {}, type), make("code", {}, name), words(field, names), field.description ?? ""]);
  });
  return table(["Body", "Field", "Type", ""], rows);
}

function answers(operation) {
  return table(["Response", ""], Object.entries(operation.responses ?? {}).map(([code, { description, content = {} }]) =>
    [make("code", {}, code), [description, ...Object.keys(content)].filter(Boolean).join(" · ")]));
}

/** The example response of a call; null if the response is not JSON. */
function example(operation) {
  const found = Object.values(operation.responses ?? {}).map(({ content = {} }) => content["application/json"]?.example);
  const text = JSON.stringify(found.find(Boolean), null, 1);
  return text ? make("pre", { tabindex: 0, "aria-label": "Example response" }, make("code", {}, text)) : null;
}

function shown(method, path, operation, names) {
  return make("details", { class: "call" },
    make("summary", {}, make("code", {}, `${method.toUpperCase()} ${path}`), ` ${operation.summary ?? ""}`),
    ...prose(operation.description), parameters(operation, names), bodies(operation, names), answers(operation), example(operation));
}

async function show() {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`The server returned status ${answer.status}.`);
  const { info, paths, components = {} } = await answer.json();
  const groups = new Map();
  for (const [path, operations] of Object.entries(paths))
    for (const method of METHODS.filter((one) => one in operations)) {
      const group = operations[method].tags?.[0] ?? "other";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(shown(method, path, operations[method], components.schemas ?? {}));
    }
  const keys = Object.values(components.securitySchemes ?? {}).map((scheme) => make("p", {}, scheme.description ?? ""));
  fill(view, make("h1", {}, `${info.title} ${info.version}`), ...prose(info.description), ...keys,
    ...[...groups].flatMap(([name, calls]) => [make("h2", {}, name), ...calls]));
}

show().catch((error) => fill(view, make("p", { class: "error", role: "alert" }, error.message)));
