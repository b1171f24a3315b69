// Client of the HTTP API: requests, API keys, errors, thumbnails.

const STORAGE_NAME = "copysight-key";
const RANKS = { read: 1, write: 2, admin: 3 };
const MAX_CACHED = 1000; // thumbnails, about 20 kB each
let scope = "admin";

/** An error answer. `code` and `message` come from the server. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server returned status ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
  }
}

export const key = {
  get: () => sessionStorage.getItem(STORAGE_NAME),
  set: (value) => (value ? sessionStorage.setItem(STORAGE_NAME, value) : sessionStorage.removeItem(STORAGE_NAME)),
};

function headers() {
  return key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
}

/** Sends a request and returns the parsed JSON, or null for an empty answer. Throws `ApiError`. */
export async function request(method, path, { json, form, signal } = {}) {
  const options = { method, headers: headers(), signal };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  if (form) options.body = form;
  const answer = await fetch(path, options).catch(unreachable);
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, body);
  return body;
}

/** Replaces the message "Failed to fetch" of the browser by one that users understand. */
function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new ApiError(0, { detail: "The server cannot be reached. Check that it is running.", code: "unreachable" });
}

/** A form with pictures (File or Blob) and other fields, as every route accepts it. */
export function pictureForm(files, fields = {}) {
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

/** Loads the scope of the current key. Throws `ApiError` with status 401 if the server needs a key. */
export async function loadScope() {
  try {
    const who = await request("GET", "whoami");
    scope = who.scope ?? "admin";
  } catch (error) {
    if (error.status !== 404) throw error;
    scope = "admin"; // a server without keys has no such route
  }
  return scope;
}

/** Whether the current key includes the scope `wanted`: read, write or admin. */
export const may = (wanted) => RANKS[scope] >= RANKS[wanted];

/** An <img> of an item's thumbnail, lazy and cached by the browser. With a key it is fetched by script, because <img> sends no key. */
export function thumbnail(id, alt, size = 160) {
  const image = document.createElement("img");
  Object.assign(image, { alt, loading: "lazy", decoding: "async", width: size, height: size });
  image.addEventListener("error", () => image.classList.add("missing"));
  const source = `images/${id}/thumbnail`;
  if (!key.get()) image.src = source;
  else blob(source).then((url) => (image.src = url), () => image.dispatchEvent(new Event("error")));
  return image;
}

/** The thumbnail of an item as a File, to send it as a query. */
export async function thumbnailFile(id) {
  const answer = await fetch(`images/${id}/thumbnail`, { headers: headers() });
  if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => ({})));
  return new File([await answer.blob()], `item-${id}.jpg`, { type: "image/jpeg" });
}

/** Saves the original file of an item on the user's machine. Throws `ApiError` if the index does not keep it. */
export async function original({ id, key: name }) {
  const answer = await fetch(`images/${id}/original`, { headers: headers() });
  if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => ({})));
  const url = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href: url, download: name.split("/").pop() }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const fetched = new Map(); // cached thumbnails, the least recently used first

function blob(source) {
  const held = fetched.get(source) ?? load(source);
  fetched.delete(source);
  fetched.set(source, held);
  const [oldest] = fetched.keys();
  if (fetched.size > MAX_CACHED) {
    fetched.get(oldest).then(URL.revokeObjectURL, () => null);
    fetched.delete(oldest);
  }
  return held;
}

async function load(source) {
  const answer = await fetch(source, { headers: headers() });
  if (!answer.ok) {
    fetched.delete(source);
    throw new ApiError(answer.status, {});
  }
  return URL.createObjectURL(await answer.blob());
}
