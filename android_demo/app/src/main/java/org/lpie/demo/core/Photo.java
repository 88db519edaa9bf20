package org.lpie.demo.core;

import java.nio.ByteBuffer;

/** An image whose pixels are read and written as RGBA bytes, rectangle by rectangle. */
public interface Photo {
    Size size();

    /** Fills {@code rgba} with the rows y to y + height, columns x to x + width. */
    void read(int y, int x, Size part, ByteBuffer rgba);

    /** Puts {@code rgba} where {@code read} with the same arguments would find it. */
    void write(int y, int x, Size part, ByteBuffer rgba);
}
