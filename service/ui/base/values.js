// Values of metadata as text in a field, and back: numbers, true, false and JSON; all else is a text.

/** A value as the user may type it. A text that would be read as something else is in quotation marks. */
export function text(value) {
  return typeof value === "string" && typeof parsed(value) === "string" && !value.startsWith('"') ? value : JSON.stringify(value);
}

/** The value that the user has typed. */
export function parsed(typed) {
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}
