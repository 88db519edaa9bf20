// Restores a photo tile by tile: reads, reflects, converts, runs, converts back, writes.
import {Levels, rounded} from './network.js';
import {evenTile, planTiles, reflected, roundedUp} from './tiles.js';

const RGBA = 4;
const RGB = 3;

/** How `network` goes over a photo of `size`: {padded, tile, tiles}. */
export function planOf(network, size, mostPx) {
  const multiple = network.multiple;
  const padded = roundedUp(size, multiple);
  const fixed = {height: network.height, width: network.width};
  if (network.halo_px === null) return wholeImage(network, padded, fixed);
  const grid = {haloPx: network.halo_px, multiple};
  if (!network.places.length) {
    const whole = {
      height: Math.max(padded.height, fixed.height), width: Math.max(padded.width, fixed.width),
    };
    return {padded: whole, tile: fixed, tiles: planTiles(whole, fixed, grid)};
  }
  const least = 2 * network.halo_px + 4 * multiple;
  const side = Math.floor(Math.max(mostPx, least) / multiple) * multiple;
  const tile = evenTile(padded, {height: side, width: side}, grid);
  return {padded, tile, tiles: planTiles(padded, tile, grid)};
}

function wholeImage(network, padded, fixed) {
  const tile = network.places.length ? padded : fixed;
  if (tile.height < padded.height || tile.width < padded.width) {
    throw new RangeError(`${network.name} sees the whole image and takes ` +
      `${fixed.width}x${fixed.height} px alone. This photo is larger.`);
  }
  return {padded: tile, tile, tiles: planTiles(tile, tile, {haloPx: 0, multiple: 1})};
}

/**
 * Restores what `photo` reads into `photo.write`.
 *
 * photo: {size, read(y, x, height, width) -> RGBA, write(y, x, height, width, RGBA)}.
 * run: values -> values of one tile. progress(done, all) -> whether to go on.
 * Returns the times of copies and runs in ms, or null when `progress` ended it.
 */
export async function restore(network, plan, photo, {run, strength = 1, progress = () => true}) {
  const levels = new Levels(network);
  const times = {copies: 0, inference: 0};
  const {height, width} = plan.tile;
  const values = new levels.Input(height * width * RGB);
  let done = 0;
  for (const tile of plan.tiles) {
    const start = performance.now();
    fill(values, photo, tile, levels);
    const filled = performance.now();
    const result = await run(values);
    const ran = performance.now();
    keep(result, photo, tile, levels, strength);
    times.inference += ran - filled;
    times.copies += filled - start + performance.now() - ran;
    done += 1;
    if (!progress(done, plan.tiles.length)) return null;
  }
  return times;
}

/** Converts what `tile` reads; beyond the photo's edge it reads the reflection. */
function fill(values, photo, tile, {inputs}) {
  const rows = indices(tile.y, tile.height, photo.size.height);
  const columns = indices(tile.x, tile.width, photo.size.width);
  const top = Math.min(...rows), left = Math.min(...columns);
  const height = Math.max(...rows) - top + 1, width = Math.max(...columns) - left + 1;
  const block = photo.read(top, left, height, width);
  let to = 0;
  for (const row of rows) {
    const line = (row - top) * width;
    for (const column of columns) {
      const at = (line + column - left) * RGBA;
      values[to++] = inputs[block[at]];
      values[to++] = inputs[block[at + 1]];
      values[to++] = inputs[block[at + 2]];
    }
  }
}

/** Writes what `tile` keeps, less what lies beyond the photo; transparency stays as it was. */
function keep(result, photo, tile, levels, strength) {
  const height = Math.min(tile.y1, photo.size.height) - tile.y0;
  const width = Math.min(tile.x1, photo.size.width) - tile.x0;
  if (height <= 0 || width <= 0) return;
  const block = photo.read(tile.y0, tile.x0, height, width);
  let at = 0;
  for (let y = tile.y0; y < tile.y0 + height; y++) {
    let from = ((y - tile.y) * tile.width + tile.x0 - tile.x) * RGB;
    for (let x = 0; x < width; x++, at++) {
      for (let channel = 0; channel < RGB; channel++, at++) {
        const restored = levels.level(result[from++]);
        const level = strength === 1 ? restored : block[at] + strength * (restored - block[at]);
        block[at] = rounded(Math.min(Math.max(level, 0), 255));
      }
    }
  }
  photo.write(tile.y0, tile.x0, height, width, block);
}

function indices(origin, count, length) {
  return Array.from({length: count}, (_, i) => reflected(origin + i, length));
}
