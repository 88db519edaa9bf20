package org.lpie.demo.core;

import java.util.ArrayList;
import java.util.List;

/**
 * Which part of a photo each tile reads, and which part of its output is kept.
 *
 * <p>The same numbers as {@code lpie/restore/tile_grid.py}: tests/golden/tiles.json holds both to them.
 */
public final class TilePlan {
    private final int haloPx;
    private final int multiple;

    /** For a network that looks {@code haloPx} beyond a pixel, on a grid of {@code multiple}. */
    public TilePlan(int haloPx, int multiple) {
        this.haloPx = haloPx;
        this.multiple = multiple;
    }

    /** Tiles of {@code tile} that cover {@code photo}, the fewest that do so, spread evenly. */
    public List<Tile> tiles(Size photo, Size tile) {
        List<Tile> tiles = new ArrayList<>();
        List<Span> columns = spans(photo.width, tile.width);
        for (Span rows : spans(photo.height, tile.height)) {
            for (Span column : columns) {
                tiles.add(new Tile(rows, column, tile.height, tile.width));
            }
        }
        return tiles;
    }

    /** The smallest tile of which as few cover {@code photo} as of {@code most}. */
    public Size evenTile(Size photo, Size most) {
        return new Size(
                evenLength(photo.height, Math.min(photo.height, most.height)),
                evenLength(photo.width, Math.min(photo.width, most.width)));
    }

    /** The shortest tile (px) that leaves something inside its halos. */
    public int leastTile() {
        return 2 * haloPx + multiple;
    }

    private int evenLength(int length, int most) {
        int count = count(length, most);
        if (count == 1) {
            return length;
        }
        // `count` tiles reach (count - 1) steps further than one, and a step is the tile less its
        // halos, rounded down to the grid, which may want a tile a multiple or two larger.
        int tile = (length + 2 * haloPx * (count - 1)) / count;
        tile = Math.max(tile, leastTile()) / multiple * multiple;
        while (tile < leastTile() || count(length, tile) != count) {
            tile += multiple;
        }
        return tile;
    }

    private List<Span> spans(int length, int tile) {
        int count = count(length, tile);
        int room = (length - tile) / multiple;
        List<Span> spans = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < count; i++) {
            int origin = origin(room, i, count);
            // Between two neighbours the seam lies in the middle of what both may keep.
            int stop = i + 1 == count ? length : (origin + tile + origin(room, i + 1, count)) / 2;
            spans.add(new Span(origin, start, stop));
            start = stop;
        }
        return spans;
    }

    private int origin(int room, int index, int count) {
        return (int) ((long) room * index / Math.max(count - 1, 1)) * multiple;
    }

    /** How many tiles of {@code tile} px one axis needs. */
    private int count(int length, int tile) {
        if (length % multiple != 0 || tile % multiple != 0 || tile > length) {
            throw new IllegalArgumentException("Photo and tile must be multiples of " + multiple
                    + " px, the tile the smaller. Received: " + length + " and " + tile + ".");
        }
        if (tile == length) {
            return 1;
        }
        int step = (tile - 2 * haloPx) / multiple;
        if (tile < leastTile()) {
            throw new IllegalArgumentException("A tile of " + tile + " px leaves nothing inside the"
                    + " halo of " + haloPx + " px. Use at least " + leastTile() + " px.");
        }
        int rest = (length - tile) / multiple;
        return 1 + (rest + step - 1) / step;
    }

    /** Where a tile lies along one axis, and what it keeps. */
    static final class Span {
        final int origin;
        final int start;
        final int stop;

        Span(int origin, int start, int stop) {
            this.origin = origin;
            this.start = start;
            this.stop = stop;
        }
    }
}
