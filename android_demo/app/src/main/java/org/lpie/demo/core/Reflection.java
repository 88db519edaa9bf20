package org.lpie.demo.core;

/** Where the pixels of a photo grown by reflection come from: `pad_reflect` of lpie/image/image.py. */
public final class Reflection {
    private Reflection() {}

    /**
     * The pixel of an axis of {@code length} px that stands at {@code position} of the grown one.
     *
     * <p>Reflects without repeating the edge, again and again; one pixel repeats itself.
     */
    public static int index(int position, int length) {
        if (length == 1) {
            return 0;
        }
        int period = 2 * (length - 1);
        int at = position % period;
        return Math.min(at, period - at);
    }
}
