// The HTTP API as the page uses it: one place that knows keys, errors and thumbnails.

const STORED = "copysight-key";
const RANKS = { read: 1, write: 2, admin: 3 };
const HELD = 1000; // thumbnails, some 20 kB each
let scope = "admin";

/** An answer that is no success; `code` and `message` come from the server. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered ${status}`);
    this.status = status;
    this.code = problem.code ?? "unknown";
  }
}

export const key = {
  get: () => sessionStorage.getItem(STORED),
  set: (value) => (value ? sessionStorage.setItem(STORED, value) : sessionStorage.removeItem(STORED)),
};

function headers() {
  return key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
}

/** Asks the server; gives the parsed JSON, or null for an empty answer. Throws `Refused`. */
export async function ask(method, path, { json, form, signal } = {}) {
  const options = { method, headers: headers(), signal };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  if (form) options.body = form;
  const answer = await fetch(path, options).catch(unreachable);
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

/** What `fetch` throws says "Failed to fetch"; people want to know what that means. */
function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new Refused(0, { detail: "The server cannot be reached. Is it running?", code: "unreachable" });
}

/** Sends pictures (File or Blob) as the form that every route takes, with further fields. */
export function pictures(files, fields = {}) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name ?? "picture");
  for (const [name, value] of Object.entries(fields)) if (value) form.append(name, value);
  return form;
}

/** A path with a query; empty values are left out. */
export function path(base, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${base}?${new URLSearchParams(given)}` : base;
}

/** Learns what the key at hand may do. Throws `Refused` with status 401 when the server wants one. */
export async function learnScope() {
  try {
    const who = await ask("GET", "whoami");
    scope = who.scope ?? "admin";
  } catch (error) {
    if (error.status !== 404) throw error;
    scope = "admin"; // a server without keys has no such route
  }
  return scope;
}

/** Whether the key at hand may do what needs `wanted`: read, write or admin. */
export const may = (wanted) => RANKS[scope] >= RANKS[wanted];

/** An <img> of an item's thumbnail: lazy and cached by the browser; with a key it is fetched, since <img> sends none. */
export function thumbnail(id, alt, size = 160) {
  const image = document.createElement("img");
  Object.assign(image, { alt, loading: "lazy", decoding: "async", width: size, height: size });
  const missing = () => image.classList.add("missing");
  image.addEventListener("error", missing);
  const source = `images/${id}/thumbnail`;
  if (!key.get()) image.src = source;
  else blob(source).then((url) => (image.src = url), missing);
  return image;
}

/** The stored thumbnail as a File, to be asked for again. */
export async function stored(id) {
  const answer = await fetch(`images/${id}/thumbnail`, { headers: headers() });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return new File([await answer.blob()], `item-${id}.jpg`, { type: "image/jpeg" });
}

const fetched = new Map(); // thumbnails that are held, those that were wanted last at the end

function blob(source) {
  const held = fetched.get(source) ?? load(source);
  fetched.delete(source);
  fetched.set(source, held);
  const [oldest] = fetched.keys();
  if (fetched.size > HELD) {
    fetched.get(oldest).then(URL.revokeObjectURL, () => null);
    fetched.delete(oldest);
  }
  return held;
}

async function load(source) {
  const answer = await fetch(source, { headers: headers() });
  if (!answer.ok) {
    fetched.delete(source);
    throw new Refused(answer.status, {});
  }
  return URL.createObjectURL(await answer.blob());
}
