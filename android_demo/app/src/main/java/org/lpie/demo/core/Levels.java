package org.lpie.demo.core;

import java.nio.ByteBuffer;

/**
 * How pixels become a model's values and back, bit for bit as lpie/image/image.py and
 * lpie/tflite/scales.py do it (tests/golden/pixels.json).
 */
public final class Levels {
    /** What a tensor holds. */
    public enum Dtype {
        FLOAT32(4, 0, 0), UINT8(1, 0, 255), INT8(1, -128, 127);

        public final int bytes;
        private final int least;
        private final int most;

        Dtype(int bytes, int least, int most) {
            this.bytes = bytes;
            this.least = least;
            this.most = most;
        }

        /** The type that a spec calls {@code name}. */
        public static Dtype named(String name) throws InputException {
            for (Dtype each : values()) {
                if (each.name().toLowerCase(java.util.Locale.ROOT).equals(name)) {
                    return each;
                }
            }
            throw new InputException("The model's values are float32, uint8 or int8 images. "
                    + "The spec says: " + name + ".");
        }
    }

    private final Dtype dtype;
    private final float scale;
    private final int zero;
    private final float low;
    private final float range;
    /** The model's value, or level, of each of a channel's 256. */
    private final float[] inputs = new float[256];

    /**
     * The levels of a tensor of {@code dtype} whose integers mean (level - zero) * scale, of a
     * model whose photos lie between {@code low} and {@code high}.
     */
    public Levels(Dtype dtype, float scale, int zero, float low, float high) {
        this.dtype = dtype;
        this.scale = scale;
        this.zero = zero;
        this.low = low;
        this.range = high - low;
        for (int channel = 0; channel < inputs.length; channel++) {
            float value = low + range * (channel / 255f);
            inputs[channel] = dtype == Dtype.FLOAT32 ? value : level(value);
        }
    }

    /** Bytes of one value. */
    public int bytes() {
        return dtype.bytes;
    }

    /** Appends a pixel's channel, 0 to 255, to the model's input. */
    public void put(ByteBuffer input, int channel) {
        if (dtype == Dtype.FLOAT32) {
            input.putFloat(inputs[channel]);
        } else {
            input.put((byte) (int) inputs[channel]);
        }
    }

    /** The channel at byte {@code offset} of the model's output: scaled, rounded, clipped. */
    public int get(ByteBuffer output, int offset) {
        float unit = (value(output, offset) - low) / range;
        return (int) Math.min(Math.max(Math.rint(unit * 255f), 0), 255);
    }

    private float level(float value) {
        float level = (float) Math.rint(value / scale) + zero;
        return Math.min(Math.max(level, dtype.least), dtype.most);
    }

    private float value(ByteBuffer output, int offset) {
        if (dtype == Dtype.FLOAT32) {
            return output.getFloat(offset);
        }
        int level = output.get(offset);
        return ((dtype == Dtype.UINT8 ? level & 0xff : level) - zero) * scale;
    }
}
