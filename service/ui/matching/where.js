// Say in words where a match was found, how much both pictures share, and what was changed.

const WHOLE = 0.9; // share of a picture from which on all of it is shown, as in the answer's `part`
const AXIS = 0.25; // how far, as a tangent, a turn may be from a quarter turn to be named as one

/** The few words on a card, or null for a match of both whole pictures. */
export function tag(where) {
  if (!where) return null;
  if (where.part === "overlay") return "overlay only";
  const turn = turned(where);
  return [partly(where), where.mirrored && "mirrored", turn && `turned ${turn}°`].filter(Boolean).join(", ") || null;
}

function partly(where) {
  if (!where.part) return where.region && !where.turn && "in a part";
  if (where.part === "whole") return null;
  return where.query.share < WHOLE ? "in a part" : "cropped";
}

/** Degrees by which the query must be turned to the left to look like the match: 0, 90, 180 or 270. */
function turned({ transform, mirrored, turn }) {
  if (!transform) return turn;
  const [across, down] = [mirrored ? -transform[0][0] : transform[0][0], transform[1][0]];
  if (Math.abs(down) < AXIS * Math.abs(across)) return across < 0 ? 180 : 0;
  if (Math.abs(across) < AXIS * Math.abs(down)) return down > 0 ? 90 : 270;
  return 0;
}

/** What is known about the place of a match, as pairs of a name and a text. */
export function placeFacts({ where, verified }) {
  const rows = [["found", place(where)]];
  if (verified && !where?.transform) rows.push(["compared", "no common points were found"]);
  if (!where?.transform) return rows;
  return [...rows,
    ["shared area", `${percent(where.query.share)} of the query, ${percent(where.match.share)} of the match`],
    ["mirrored", where.mirrored ? "yes" : "no"],
    ["agreeing points", where.inliers.toLocaleString("en")],
    ["changed", changes(where.changed)]];
}

function place(where) {
  if (!where) return "in the whole picture";
  const turn = turned(where);
  const aside = turn ? `with the picture turned ${turn}° to the left` : null;
  return [PARTS[where.part] ? PARTS[where.part](where) : where.region && "in a part of the picture", aside].filter(Boolean).join(", ");
}

const PARTS = {
  whole: () => "in the whole picture",
  part: ({ query }) => (query.share < WHOLE ? "in a part of the picture" : "as a part of the match"),
  overlay: () => "only what lies over both, such as a logo or a caption",
};

/** For example "4 % of what both show, in 2 places". */
export function changes({ share, regions }) {
  if (!share) return "nothing found";
  const places = regions.length === 1 ? "in 1 place" : `in ${regions.length} places`;
  return `${percent(share)} of what both show${regions.length ? `, ${places}` : ", in small spots"}`;
}

/** A whole percentage; 0 only for nothing, 100 only for all. */
function percent(share) {
  if (share > 0 && share < 0.01) return "less than 1 %";
  return `${share < 0.999 ? Math.min(99, Math.round(100 * share)) : 100} %`;
}
