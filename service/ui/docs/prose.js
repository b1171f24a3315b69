// Text of the OpenAPI document as elements: paragraphs, lists, code, bold and links.

import { make } from "../base/elements.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/;

/** Paragraphs and lists of a text. A blank line ends a paragraph; lines that begin with "- " are a list. */
export function prose(text = "") {
  return text.split(/\n\s*\n/).map((part) => part.trim()).filter(Boolean).map((part) => (/^- /.test(part) ? list(part) : make("p", {}, inline(part))));
}

const list = (part) => make("ul", {}, part.split(/\n(?=- )/).map((line) => make("li", {}, inline(line.slice(2)))));

/** A line with its code, bold words and links. Only links to web pages are links. */
export function inline(text) {
  return text.split(INLINE).filter(Boolean).map((piece) => {
    if (/^`.+`$/s.test(piece)) return make("code", {}, piece.slice(1, -1));
    if (/^\*\*.+\*\*$/s.test(piece)) return make("strong", {}, piece.slice(2, -2));
    const link = /^\[([^\]]+)\]\((https?:[^)\s]+)\)$/.exec(piece);
    return link ? make("a", { href: link[2], rel: "noreferrer" }, link[1]) : piece;
  });
}
