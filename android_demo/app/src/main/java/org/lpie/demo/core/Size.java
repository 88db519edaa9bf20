package org.lpie.demo.core;

/** Height and width in px. */
public final class Size {
    public final int height;
    public final int width;

    public Size(int height, int width) {
        this.height = height;
        this.width = width;
    }

    /** This size grown to multiples of {@code multiple}. */
    public Size roundedUp(int multiple) {
        return new Size(
                (height + multiple - 1) / multiple * multiple,
                (width + multiple - 1) / multiple * multiple);
    }

    /** The longer of the two, axis by axis. */
    public Size atLeast(Size other) {
        return new Size(Math.max(height, other.height), Math.max(width, other.width));
    }

    public long pixels() {
        return (long) height * width;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Size
                && ((Size) other).height == height
                && ((Size) other).width == width;
    }

    @Override
    public int hashCode() {
        return 31 * height + width;
    }

    /** WIDTHxHEIGHT, as lpie writes it everywhere. */
    @Override
    public String toString() {
        return width + "x" + height;
    }
}
