package org.lpie.demo.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

public final class RestorationTest {
    private static final String SPEC = "{'network': 'blur', 'recipe': 'float32', 'height': 8,"
            + "'width': 8, 'multiple': 4, 'halo_px': 1, 'input_dtype': 'float32',"
            + "'output_dtype': 'float32', 'value_range': [0, 1], 'layout': 'NHWC',"
            + "'color': 'RGB, sRGB transfer', 'sha256': null}";

    @Test
    public void photosAreThoseOfLpieRestore() throws IOException, InputException {
        JSONArray cases = Golden.array("restored.json");
        for (int i = 0; i < cases.length(); i++) {
            JSONObject each = cases.getJSONObject(i);
            for (boolean resizable : new boolean[] {true, false}) {
                Pixels photo = Pixels.drawn(each.getInt("height"), each.getInt("width"));
                Pixels restored = new Pixels(photo.size());
                assertTrue(restore(photo, restored, resizable, each.getInt("tile_px"), 1000));
                assertEquals(each.getLong("crc32"), restored.crc32());
            }
        }
    }

    @Test
    public void aCancelledRunSaysSo() throws InputException {
        Pixels photo = Pixels.drawn(40, 40);
        assertFalse(restore(photo, new Pixels(photo.size()), true, 12, 2));
    }

    @Test
    public void aModelThatEnlargesIsRefused() throws InputException {
        ModelSpec.fromJson(SPEC.replace("}", ", 'scale': 1}"));
        try {
            ModelSpec.fromJson(SPEC.replace("}", ", 'scale': 2}"));
            fail("a model of another scale");
        } catch (InputException error) {
            assertTrue(error.getMessage(), error.getMessage().contains("enlarges 2 times"));
        }
    }

    private static boolean restore(Pixels photo, Pixels target, boolean resizable, int tilePx,
            final int tiles) throws InputException {
        Plan plan = Plan.of(ModelSpec.fromJson(SPEC), photo.size(), resizable, tilePx);
        return new Restoration(new Blur(plan.tile), plan).run(photo, target,
                new Restoration.Progress() {
                    @Override
                    public boolean tileDone(int done, int total) {
                        return done < tiles;
                    }
                });
    }

    /** The network of tests/golden_numbers.py. */
    private static final class Blur implements Network {
        private final Size tile;
        private final Levels levels = new Levels(Levels.Dtype.FLOAT32, 0, 0, 0, 1);

        Blur(Size tile) {
            this.tile = tile;
        }

        @Override
        public Size tile() {
            return tile;
        }

        @Override
        public Levels inputLevels() {
            return levels;
        }

        @Override
        public Levels outputLevels() {
            return levels;
        }

        @Override
        public void run(ByteBuffer input, ByteBuffer output) {
            for (int y = 0; y < tile.height; y++) {
                for (int x = 0; x < tile.width; x++) {
                    for (int c = 0; c < 3; c++) {
                        float sides = value(input, y, x - 1, c) + value(input, y, x + 1, c);
                        output.putFloat(value(input, y, x, c) * 0.5f + sides * 0.25f);
                    }
                }
            }
        }

        private float value(ByteBuffer input, int y, int x, int c) {
            boolean inside = x >= 0 && x < tile.width;
            return inside ? input.getFloat(((y * tile.width + x) * 3 + c) * 4) : 0;
        }
    }

    /** A photo in an array. */
    private static final class Pixels implements Photo {
        private final Size size;
        private final byte[] rgb;

        Pixels(Size size) {
            this.size = size;
            this.rgb = new byte[size.height * size.width * 3];
        }

        /** The photo of tests/golden_numbers.py. */
        static Pixels drawn(int height, int width) {
            Pixels drawn = new Pixels(new Size(height, width));
            int at = 0;
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    for (int c = 0; c < 3; c++) {
                        drawn.rgb[at++] = (byte) (37 * y + 101 * x + 53 * c + y * x % 17);
                    }
                }
            }
            return drawn;
        }

        long crc32() {
            CRC32 sum = new CRC32();
            sum.update(rgb, 0, rgb.length);
            return sum.getValue();
        }

        @Override
        public Size size() {
            return size;
        }

        @Override
        public void read(int y, int x, Size part, ByteBuffer rgba) {
            for (int row = y; row < y + part.height; row++) {
                for (int column = x; column < x + part.width; column++) {
                    rgba.put(rgb, (row * size.width + column) * 3, 3).put((byte) 255);
                }
            }
        }

        @Override
        public void write(int y, int x, Size part, ByteBuffer rgba) {
            assertEquals(part.pixels() * 4, rgba.remaining());
            for (int row = y; row < y + part.height; row++) {
                for (int column = x; column < x + part.width; column++) {
                    rgba.get(rgb, (row * size.width + column) * 3, 3);
                    assertEquals((byte) 255, rgba.get());
                }
            }
        }
    }
}
