// Clusters as they are shown: those of one name are one heap. Names are set and put back for several clusters at once.

import { request } from "../base/api.js";

const COVERS = 4;

/** The name of a heap or a cluster, or its number. */
export const title = ({ name, id }) => name ?? `cluster ${id}`;

/** Heaps of clusters as `GET /clusters` lists them: {id, name, parts, size, tightness, representatives}. */
export function heaps(clusters) {
  const groups = Map.groupBy ? Map.groupBy(clusters, title) : grouped(clusters);
  return [...groups.values()].map((parts) => {
    const size = parts.reduce((sum, one) => sum + one.size, 0);
    const known = parts.every((one) => one.tightness !== null && one.tightness !== undefined);
    return { id: parts.map((one) => one.id).join(","), name: parts[0].name, parts, size, representatives: covers(parts),
      tightness: known ? parts.reduce((sum, one) => sum + one.size * one.tightness, 0) / Math.max(1, size) : null };
  });
}

function grouped(clusters) {
  const groups = new Map();
  clusters.forEach((one) => groups.set(title(one), [...(groups.get(title(one)) ?? []), one]));
  return groups;
}

/** Pictures of each cluster in turn. */
function covers(parts) {
  const turns = Array.from({ length: COVERS }, (_, turn) => parts.map((one) => one.representatives[turn]));
  return turns.flat().filter((id) => id !== undefined).slice(0, COVERS);
}

/** Names clusters; `name` may be a function of a cluster. Resolves to a function that puts the former names back. */
export async function nameAll(parts, name) {
  const before = parts.map((one) => one.name);
  for (const one of parts) await rename(one, typeof name === "function" ? name(one) : name);
  return async () => { for (const [place, one] of parts.entries()) await rename(one, before[place]); };
}

async function rename(cluster, name) {
  if (cluster.name !== name) await request("PATCH", `clusters/${cluster.id}`, { json: { name } });
  cluster.name = name;
}
