package org.lpie.demo.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Restores a photo tile by tile: reads, reflects, converts, runs, converts back, writes.
 *
 * <p>Memory beside the photos: two tensors and two blocks of RGBA, all of the tile's size.
 */
public final class Restoration {
    private static final int RGBA = 4;
    private static final int RGB = 3;

    /** Told of every tile that is done; says whether to go on. */
    public interface Progress {
        boolean tileDone(int done, int total);
    }

    /** Where the time went (ns). */
    public static final class Times {
        public long copyNs;
        public long runNs;
    }

    private final Network network;
    private final Plan plan;
    private final ByteBuffer rgba;
    private final ByteBuffer input;
    private final ByteBuffer output;
    private final Times times = new Times();

    public Restoration(Network network, Plan plan) {
        this.network = network;
        this.plan = plan;
        int pixels = Math.toIntExact(plan.tile.pixels());
        rgba = direct(pixels * RGBA);
        input = direct(pixels * RGB * network.inputLevels().bytes());
        output = direct(pixels * RGB * network.outputLevels().bytes());
    }

    /** Restores {@code source} into {@code target}; false when {@code progress} stopped it. */
    public boolean run(Photo source, Photo target, Progress progress) {
        int done = 0;
        for (Tile tile : plan.tiles) {
            long start = System.nanoTime();
            fill(source, tile);
            long filled = System.nanoTime();
            network.run(input, output);
            long ran = System.nanoTime();
            keep(target, tile);
            times.copyNs += filled - start + System.nanoTime() - ran;
            times.runNs += ran - filled;
            if (!progress.tileDone(++done, plan.tiles.size())) {
                return false;
            }
        }
        return true;
    }

    /** The time of all runs so far, the network's and the rest. */
    public Times times() {
        return times;
    }

    /** Converts what {@code tile} reads; beyond the photo's edge it reads the reflection. */
    private void fill(Photo source, Tile tile) {
        Size photo = source.size();
        // Reflected pixels may lie before the tile where it is mostly padding.
        int[] rows = reflected(tile.y, tile.height, photo.height);
        int[] columns = reflected(tile.x, tile.width, photo.width);
        int top = least(rows);
        int left = least(columns);
        Size part = new Size(most(rows) - top + 1, most(columns) - left + 1);
        rgba.clear();
        source.read(top, left, part, rgba);
        input.clear();
        Levels levels = network.inputLevels();
        for (int row : rows) {
            for (int column : columns) {
                int at = ((row - top) * part.width + column - left) * RGBA;
                for (int channel = 0; channel < RGB; channel++) {
                    levels.put(input, rgba.get(at + channel) & 0xff);
                }
            }
        }
        input.rewind();
        output.clear();
    }

    /** Writes what {@code tile} keeps, less what lies beyond the photo. */
    private void keep(Photo target, Tile tile) {
        int y1 = Math.min(tile.y1, target.size().height);
        int x1 = Math.min(tile.x1, target.size().width);
        if (y1 <= tile.y0 || x1 <= tile.x0) {
            return;
        }
        Levels levels = network.outputLevels();
        int bytes = levels.bytes();
        rgba.clear();
        for (int y = tile.y0; y < y1; y++) {
            int at = ((y - tile.y) * tile.width + tile.x0 - tile.x) * RGB * bytes;
            for (int x = tile.x0; x < x1; x++, at += RGB * bytes) {
                for (int channel = 0; channel < RGB; channel++) {
                    rgba.put((byte) levels.get(output, at + channel * bytes));
                }
                rgba.put((byte) 255);
            }
        }
        rgba.flip();
        target.write(tile.y0, tile.x0, new Size(y1 - tile.y0, x1 - tile.x0), rgba);
    }

    private static int[] reflected(int origin, int count, int length) {
        int[] indices = new int[count];
        for (int i = 0; i < count; i++) {
            indices[i] = Reflection.index(origin + i, length);
        }
        return indices;
    }

    private static int least(int[] values) {
        int least = values[0];
        for (int value : values) {
            least = Math.min(least, value);
        }
        return least;
    }

    private static int most(int[] values) {
        int most = values[0];
        for (int value : values) {
            most = Math.max(most, value);
        }
        return most;
    }

    private static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }
}
