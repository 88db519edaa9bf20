// Which part of a photo each tile reads, and which part of its output is kept: the same numbers as
// lpie/restore/tile_grid.py and the app's TilePlan.java (tests/golden/tiles.json holds all three).

/** Tiles of `tile` that cover `photo`, the fewest that do so, spread evenly; sizes in px. */
export function planTiles(photo, tile, {haloPx, multiple}) {
  const columns = spans(photo.width, tile.width, haloPx, multiple);
  return spans(photo.height, tile.height, haloPx, multiple).flatMap(([y, y0, y1]) =>
    columns.map(([x, x0, x1]) => ({y, x, y0, x0, y1, x1, ...tile})));
}

/** The smallest tile of which as few cover `photo` as of `most`. */
export function evenTile(photo, most, {haloPx, multiple}) {
  return {
    height: evenLength(photo.height, Math.min(photo.height, most.height), haloPx, multiple),
    width: evenLength(photo.width, Math.min(photo.width, most.width), haloPx, multiple),
  };
}

/** `size` grown to the network's grid. */
export function roundedUp({height, width}, multiple) {
  const up = (side) => Math.ceil(side / multiple) * multiple;
  return {height: up(height), width: up(width)};
}

/** Where index `i` lies in a row of `length` that goes on beyond its ends as in a mirror. */
export function reflected(i, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((i % period) + period) % period;
  return at < length ? at : period - at;
}

function evenLength(length, most, haloPx, multiple) {
  const tiles = count(length, most, haloPx, multiple);
  if (tiles === 1) return length;
  const least = 2 * haloPx + multiple;
  // `tiles` reach tiles - 1 steps further than one, and a step is the tile less its halos, rounded
  // down to the grid, which may want a tile a multiple or two larger.
  let tile = Math.floor((length + 2 * haloPx * (tiles - 1)) / tiles);
  tile = Math.floor(Math.max(tile, least) / multiple) * multiple;
  while (tile < least || count(length, tile, haloPx, multiple) !== tiles) tile += multiple;
  return tile;
}

function spans(length, tile, haloPx, multiple) {
  const tiles = count(length, tile, haloPx, multiple);
  const room = (length - tile) / multiple;
  const origin = (i) => Math.floor((room * i) / Math.max(tiles - 1, 1)) * multiple;
  const all = [];
  for (let i = 0, start = 0; i < tiles; i++) {
    // Between two neighbours the seam lies in the middle of what both may keep.
    const seam = Math.floor((origin(i) + tile + origin(i + 1)) / 2);
    const stop = i + 1 === tiles ? length : seam;
    all.push([origin(i), start, stop]);
    start = stop;
  }
  return all;
}

function count(length, tile, haloPx, multiple) {
  if (length % multiple || tile % multiple || tile > length) {
    throw new RangeError(`Photo and tile must be multiples of ${multiple} px, the tile the ` +
      `smaller. Received: ${length} and ${tile}.`);
  }
  if (tile === length) return 1;
  const step = Math.floor((tile - 2 * haloPx) / multiple);
  if (step < 1) {
    throw new RangeError(`A tile of ${tile} px leaves nothing inside the halo of ${haloPx} px. ` +
      `Use at least ${2 * haloPx + multiple} px.`);
  }
  return 1 + Math.ceil((length - tile) / multiple / step);
}
