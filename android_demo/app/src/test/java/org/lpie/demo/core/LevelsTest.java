package org.lpie.demo.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

public final class LevelsTest {
    private final ByteBuffer tensor = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());

    @Test
    public void pixelsBecomeTheFloatsOfLpie() throws IOException {
        int[] bits = Golden.ints(Golden.object("pixels.json").getJSONArray("float_bits"));
        Levels levels = floats();
        for (int channel = 0; channel < 256; channel++) {
            tensor.clear();
            levels.put(tensor, channel);
            assertEquals(bits[channel], tensor.getInt(0));
            assertEquals(channel, levels.get(tensor, 0));
        }
    }

    @Test
    public void floatsAreRoundedAndClippedAsByLpie() throws IOException {
        JSONArray outputs = Golden.object("pixels.json").getJSONArray("outputs");
        Levels levels = floats();
        for (int i = 0; i < outputs.length(); i++) {
            tensor.putInt(0, outputs.getJSONArray(i).getInt(0));
            assertEquals("output " + tensor.getFloat(0), outputs.getJSONArray(i).getInt(1),
                    levels.get(tensor, 0));
        }
    }

    @Test
    public void integersAreThoseOfLpie() throws Exception {
        JSONArray cases = Golden.object("pixels.json").getJSONArray("levels");
        for (int i = 0; i < cases.length(); i++) {
            JSONObject each = cases.getJSONObject(i);
            Levels.Dtype dtype = Levels.Dtype.named(each.getString("dtype"));
            Levels levels = new Levels(dtype, Float.intBitsToFloat(each.getInt("scale_bits")),
                    each.getInt("zero"), 0, 1);
            int least = dtype == Levels.Dtype.INT8 ? -128 : 0;
            for (int n = 0; n < 256; n++) {
                tensor.clear();
                levels.put(tensor, n);
                assertEquals((byte) each.getJSONArray("inputs").getInt(n), tensor.get(0));
                tensor.put(0, (byte) (least + n));
                assertEquals(each.getJSONArray("outputs").getInt(n), levels.get(tensor, 0));
            }
        }
    }

    @Test
    public void otherRangesAreScaled() {
        Levels levels = new Levels(Levels.Dtype.FLOAT32, 0, 0, -1, 1);
        levels.put(tensor, 255);
        assertEquals(1f, tensor.getFloat(0), 0);
        assertEquals(255, levels.get(tensor, 0));
        tensor.putFloat(0, -1f);
        assertEquals(0, levels.get(tensor, 0));
    }

    @Test
    public void reflectionIsThatOfLpie() throws IOException {
        JSONArray cases = Golden.object("pixels.json").getJSONArray("reflected");
        for (int i = 0; i < cases.length(); i++) {
            int[] indices = Golden.ints(cases.getJSONObject(i).getJSONArray("indices"));
            for (int at = 0; at < indices.length; at++) {
                int length = cases.getJSONObject(i).getInt("length");
                assertEquals(indices[at], Reflection.index(at, length));
            }
        }
    }

    @Test
    public void unknownTypesAreRefused() {
        assertThrows(InputException.class, new org.junit.function.ThrowingRunnable() {
            @Override
            public void run() throws InputException {
                Levels.Dtype.named("int16");
            }
        });
    }

    private static Levels floats() {
        return new Levels(Levels.Dtype.FLOAT32, 0, 0, 0, 1);
    }
}
