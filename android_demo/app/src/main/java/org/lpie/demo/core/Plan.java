package org.lpie.demo.core;

import java.util.Collections;
import java.util.List;

/** How a photo of some size is cut for a model: as `lpie restore` does it. */
public final class Plan {
    /** The photo grown to the model's grid. */
    public final Size padded;
    public final Size tile;
    public final List<Tile> tiles;

    private Plan(Size padded, Size tile, List<Tile> tiles) {
        this.padded = padded;
        this.tile = tile;
        this.tiles = tiles;
    }

    /**
     * The plan for {@code photo}.
     *
     * @param resizable whether the graph may be given another size than its spec's
     * @param mostPx the longest side of a tile, where the graph is resizable
     */
    public static Plan of(ModelSpec spec, Size photo, boolean resizable, int mostPx)
            throws InputException {
        Size padded = photo.roundedUp(spec.multiple);
        boolean local = spec.haloPx != null;
        TilePlan grid = new TilePlan(local ? spec.haloPx : 0, spec.multiple);
        if (!local || !resizable) {
            padded = padded.atLeast(spec.size);
            if (!local && !padded.equals(spec.size)) {
                throw new InputException("A photo of " + photo + " does not fit this model, which"
                        + " takes " + spec.size + " and may not be tiled: export it larger.");
            }
            return new Plan(padded, spec.size, cut(grid, padded, spec.size));
        }
        int most = Math.max(mostPx / spec.multiple * spec.multiple, grid.leastTile());
        Size tile = grid.evenTile(padded, new Size(most, most));
        return new Plan(padded, tile, cut(grid, padded, tile));
    }

    private static List<Tile> cut(TilePlan grid, Size photo, Size tile) {
        return Collections.unmodifiableList(grid.tiles(photo, tile));
    }
}
