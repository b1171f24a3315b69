// Schemas of the OpenAPI document in a few words, and as tables.

import { make } from "../base/elements.js";
import { inline } from "./prose.js";

/** The schema that a reference names; other schemas as they are. */
export const resolved = (schema = {}, names = {}) => (schema.$ref ? names[schema.$ref.split("/").pop()] ?? {} : schema);

/** A schema in a few words, for example "integer ≥ 1 or null". */
export function words(schema = {}, names = {}) {
  if (schema.$ref) return words(resolved(schema, names), names);
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

function table(heads, rows) {
  if (!rows.length) return null;
  const cells = (kind, row) => make("tr", {}, row.map((cell) => make(kind, {}, cell)));
  return make("table", {}, make("thead", {}, cells("th", heads)), make("tbody", {}, rows.map((row) => cells("td", row))));
}

export function parameters(operation, names) {
  return table(["Parameter", "In", "Type", ""], (operation.parameters ?? []).map((one) =>
    [make("code", {}, one.name), one.required ? `${one.in}, required` : one.in, words(one.schema, names), inline(one.description ?? "")]));
}

export function bodies(operation, names) {
  const rows = Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema = {} }]) => {
    const known = resolved(schema, names);
    const fields = Object.entries(known?.properties ?? {});
    if (!fields.length) return [[make("code", {}, type), "", words(known, names), inline(known?.description ?? "")]];
    return fields.map(([name, field], place) =>
      [place ? "" : make("code", {}, type), make("code", {}, name), words(field, names), inline(field.description ?? "")]);
  });
  return table(["Body", "Field", "Type", ""], rows);
}

export function answers(operation) {
  return table(["Response", ""], Object.entries(operation.responses ?? {}).map(([code, { description, content = {} }]) =>
    [make("code", {}, code), [description, ...Object.keys(content)].filter(Boolean).join(" · ")]));
}

/** The example response of a call as text; null if the response is not JSON. */
export function example(operation) {
  const found = Object.values(operation.responses ?? {}).map(({ content = {} }) => content["application/json"]?.example).find(Boolean);
  return found === undefined ? null : JSON.stringify(found, null, 1);
}
