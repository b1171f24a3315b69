// Pure functions on maps: flat arrays of rows * columns values.

const WARM = [255, 190, 40];

/** A colour for each head, chosen to be distinguishable with colour blindness. */
export const COLOURS = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233], [240, 228, 66], [120, 94, 240]];

/** 1 for the fewest patches that together hold `share` of the attention, 0 for the others. */
export function massMask(map, share) {
  const order = [...map.keys()].sort((one, other) => map[other] - map[one]);
  const total = map.reduce((sum, value) => sum + value, 0);
  const mask = new Float32Array(map.length);
  let held = 0;
  for (const patch of order) {
    if (held >= share * total) break;
    held += map[patch];
    mask[patch] = 1;
  }
  return mask;
}

/** How many of the largest values together hold `share` of the sum. */
export function holding(map, share) {
  return massMask(map, share).reduce((count, value) => count + value, 0);
}

/** RGBA bytes that darken a picture where the map is low, and make it warm where it is high, as the drawings of the command do. */
export function heat(map) {
  const bytes = new Uint8ClampedArray(map.length * 4);
  scaled(map).forEach((weight, place) => {
    const alpha = 0.75 - 0.4125 * weight;
    bytes.set([...WARM.map((value) => (value * 0.3375 * weight) / alpha), 255 * alpha], place * 4);
  });
  return bytes;
}

/** A map scaled so that its largest value is 1. */
export function scaled(map) {
  const most = Math.max(...map);
  return Float32Array.from(map, (value) => (most > 0 ? value / most : 0));
}

/** RGBA bytes of the patches. Each patch has the colour of its strongest head, with that head's weight as opacity. */
export function layers(weights, colours) {
  const bytes = new Uint8ClampedArray(weights[0].length * 4);
  for (let patch = 0; patch < weights[0].length; patch += 1) {
    let best = 0;
    for (let head = 1; head < weights.length; head += 1) if (weights[head][patch] > weights[best][patch]) best = head;
    bytes.set([...colours[best], 255 * weights[best][patch]], patch * 4);
  }
  return bytes;
}
