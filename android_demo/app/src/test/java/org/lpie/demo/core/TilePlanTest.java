package org.lpie.demo.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.io.IOException;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

public final class TilePlanTest {
    @Test
    public void plansAreThoseOfLpie() throws IOException {
        JSONArray cases = Golden.array("tiles.json");
        for (int i = 0; i < cases.length(); i++) {
            JSONObject each = cases.getJSONObject(i);
            TilePlan plan = new TilePlan(each.getInt("halo_px"), each.getInt("multiple"));
            Size photo = Golden.size(each.getJSONArray("size"));
            Size most = new Size(each.getInt("most"), each.getInt("most"));
            Size even = plan.evenTile(photo, most);
            assertEquals(Golden.size(each.getJSONArray("tile")), even);
            check(each.getJSONArray("even"), plan.tiles(photo, even));
            Size fixed = new Size(Math.min(photo.height, most.height),
                    Math.min(photo.width, most.width));
            check(each.getJSONArray("fixed"), plan.tiles(photo, fixed));
        }
    }

    @Test
    public void tilesWithoutARoomInsideTheHaloAreRefused() {
        final TilePlan plan = new TilePlan(80, 8);
        for (final int tile : new int[] {160, 12, 520}) {
            assertThrows(IllegalArgumentException.class, new org.junit.function.ThrowingRunnable() {
                @Override
                public void run() {
                    plan.tiles(new Size(512, 512), new Size(tile, tile));
                }
            });
        }
    }

    private static void check(JSONArray expected, List<Tile> tiles) {
        assertEquals(expected.length(), tiles.size());
        for (int i = 0; i < tiles.size(); i++) {
            Tile tile = tiles.get(i);
            assertArrayEquals(Golden.ints(expected.getJSONArray(i)),
                    new int[] {tile.y, tile.x, tile.y0, tile.x0, tile.y1, tile.x1});
        }
    }
}
