// Numbers, sizes, times and lists of files as text.

/** "1 picture", "2 pictures", "10,000 pictures". */
export const counted = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** Bytes as "214 kB" or "12.3 MB". */
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`);

/** Seconds since the epoch as "3 hours ago". */
export function ago(seconds) {
  if (!seconds) return "never";
  const past = Math.max(0, Date.now() / 1000 - seconds);
  const [size, unit] = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(([s]) => past >= s) ?? [1, "second"];
  return new Intl.RelativeTimeFormat("en").format(-Math.floor(past / size), unit);
}

/** Seconds as "40 s", "12 min" or "3 h 20 min". */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time in seconds since the epoch as "2026-05-01 12:30". */
export const minute = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 16).replace("T", " ");

/** Size, bytes, format and date of a picture, as far as they are known, as one line. */
export function about({ width, height, bytes, format, taken, modified, camera, key = "" }) {
  const kind = format ?? /\.(\w{2,5})$/.exec(key)?.[1].toUpperCase().replace("JPG", "JPEG");
  const date = taken ? `taken ${taken.replace("T", " ").slice(0, 16)}` : modified ? `file of ${minute(modified)}` : null;
  return [width ? `${width} x ${height}` : null, bytes ? megabytes(bytes) : null, kind, date, camera].filter(Boolean).join(" · ");
}

/** Rows of values as CSV text. A value that a spreadsheet would take for a formula gets an apostrophe. */
export function csv(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    return `"${(typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  return `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Saves a text as a file on the user's machine. */
export function download(text, name, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Copies a text; `said(whether)` tells whether that was possible. */
export function copyText(text, said) {
  const copied = navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject();
  copied.then(() => said(true), () => said(false));
}
