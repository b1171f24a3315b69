// One picture that is searched for, and what was found for it.

import { pictureForm, request, thumbnail, thumbnailFile } from "../base/api.js";
import { loaded, make } from "../base/elements.js";
import { target } from "./options.js";

const STATES = { exact: "found", copy: "found", uncertain: "possible", different: "none" };

/** A `file`, or the item `id`. `state` is waiting, found, possible, none or failed; `matches` are those of at least the minimum probability. */
export class Query {
  constructor({ name, file = null, id = null }, options, explains = false) {
    Object.assign(this, { name, file, id, options, explains, effort: options.effort, state: "waiting", found: null, matches: [], error: null, latest: 0, url: null });
  }

  /** Searches. Resolves to whether this search is still the latest one. */
  async find() {
    const current = (this.latest += 1);
    this.state = "waiting";
    this.effort = this.options.effort;
    try {
      if (this.id) this.item ??= await request("GET", `images/${this.id}`);
      const body = this.id ? { json: { ids: [this.id] } } : { form: pictureForm([this.file]) };
      const [answer] = (await request("POST", target(this.options), body)).items;
      if (current !== this.latest) return false;
      if (answer.error) throw new Error(answer.error.detail);
      if (this.item) this.name = this.item.key;
      Object.assign(this, { error: null, found: answer.matches.filter((match) => match.id !== this.id) });
      this.choose();
    } catch (error) {
      if (current !== this.latest) return false;
      Object.assign(this, { found: null, matches: [], state: "failed", error: error.message });
    }
    return true;
  }

  /** Applies the minimum probability. */
  choose() {
    if (!this.found) return;
    this.matches = this.found.filter((match) => (match.probability ?? 1) >= this.options.least);
    this.state = this.matches.length ? STATES[this.matches[0].verdict] : "none";
  }

  get best() {
    return this.matches[0] ?? null;
  }

  /** The matches that may be copies; the others are neighbours. */
  get copies() {
    return this.matches.filter((match) => match.verdict !== "different");
  }

  /** The id of the item that is this picture, if one is. */
  get itself() {
    return this.id ?? this.found?.find((match) => match.verdict === "exact")?.id ?? null;
  }

  picture(size, alt = this.name) {
    if (!this.file) return thumbnail(this.id, alt, size);
    this.url ??= URL.createObjectURL(this.file);
    return make("img", { src: this.url, alt, width: size, height: size, decoding: "async", onerror: (event) => event.target.classList.add("missing") });
  }

  /** The picture as a file, to send it. */
  async content() {
    return this.file ?? thumbnailFile(this.id);
  }

  /** Size, bytes, format and date, as far as they are known. */
  async about() {
    if (this.item) return this.item;
    const image = this.picture(1, "");
    await loaded(image).catch(() => null);
    return { width: image.naturalWidth, height: image.naturalHeight, bytes: this.file.size, modified: this.file.lastModified / 1000, key: this.file.name };
  }

  /** The sha256 of the picture's file; null where the browser cannot compute it (plain HTTP from another machine). */
  async sha256() {
    if (this.item) return this.item.sha256;
    if (!crypto.subtle) return null;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await this.file.arrayBuffer()));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  close() {
    this.latest += 1;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }
}
