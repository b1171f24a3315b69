// A call as a command of curl, and as a Python program.

import { resolved } from "./schema.js";

const PICTURE = "picture.jpg";
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What a call needs: {method, path, picture, pictures, json, secret}. `path` has values in place of its parameters. */
export function plan(method, path, operation, names, secret) {
  const content = operation.requestBody?.content ?? {};
  const fields = resolved(content["multipart/form-data"]?.schema, names).properties ?? {};
  const picture = "file" in fields;
  return { method: method.toUpperCase(), path: filled(path, operation), picture, pictures: path === "/compare" ? 2 : 1,
    json: picture ? null : sample(content["application/json"], names), secret };
}

/** The path with values for its parameters: their examples, or 1. */
function filled(path, operation) {
  return (operation.parameters ?? []).filter((one) => one.in === "path").reduce((whole, one) =>
    whole.replace(`{${one.name}}`, String(one.example ?? one.schema?.examples?.[0] ?? (one.schema?.type === "string" ? "name" : 1))), path);
}

/** A body of a call that takes JSON, from the examples of the document; null if there is none. */
export function sample(content, names) {
  if (!content) return null;
  if (content.example !== undefined) return content.example;
  const schema = resolved(content.schema, names);
  const given = schema.example ?? schema.examples?.[0];
  if (given !== undefined) return given;
  const wanted = Object.entries(schema.properties ?? {}).filter(([name, field]) => schema.required?.includes(name) || value(field) !== undefined);
  return wanted.length ? Object.fromEntries(wanted.map(([name, field]) => [name, value(field) ?? ""])) : null;
}

const value = (field) => field.example ?? field.examples?.[0] ?? field.enum?.[0] ?? field.const;

export function curl({ method, path, picture, pictures, json, secret }, base) {
  const lines = [`curl${method === "GET" ? "" : ` -X ${method}`} ${quoted(base + path)}`];
  if (secret) lines.push('-H "Authorization: Bearer $COPYSIGHT_KEY"');
  if (picture) for (let count = 0; count < pictures; count += 1) lines.push(`-F file=@${count ? "other.jpg" : PICTURE}`);
  if (json !== null) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(json))}`);
  return lines.join(" \\\n  ");
}

export function python({ method, path, picture, pictures, json, secret }, base) {
  const options = [];
  if (picture) options.push(`files=[${Array.from({ length: pictures }, (_, count) => `("file", open("${count ? "other.jpg" : PICTURE}", "rb"))`).join(", ")}]`);
  if (json !== null) options.push(`json=${literal(json)}`);
  if (secret) options.push('headers={"Authorization": f"Bearer {os.environ[\'COPYSIGHT_KEY\']}"}');
  return `${secret ? "import os\n\n" : ""}import httpx\n\nanswer = httpx.request(${[`"${method}"`, JSON.stringify(base + path), ...options].join(", ")})\nanswer.raise_for_status()\nprint(answer.text)\n`;
}

/** JSON as a Python literal. */
export function literal(json) {
  if (json === null) return "None";
  if (typeof json === "boolean") return json ? "True" : "False";
  if (Array.isArray(json)) return `[${json.map(literal).join(", ")}]`;
  if (typeof json === "object") return `{${Object.entries(json).map(([name, value]) => `${JSON.stringify(name)}: ${literal(value)}`).join(", ")}}`;
  return JSON.stringify(json);
}
