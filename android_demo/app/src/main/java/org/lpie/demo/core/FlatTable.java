package org.lpie.demo.core;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A table of a FlatBuffer: fields by their number in the schema, absent ones empty or 0. */
final class FlatTable {
    private final ByteBuffer data;
    private final int at;

    private FlatTable(ByteBuffer data, int at) {
        this.data = data;
        this.at = at;
    }

    /** The table that {@code data}, little-endian, begins with. */
    static FlatTable root(ByteBuffer data) {
        return new FlatTable(data, data.getInt(0));
    }

    int intField(int number) {
        int field = field(number);
        return field == 0 ? 0 : data.getInt(field);
    }

    int byteField(int number) {
        int field = field(number);
        return field == 0 ? 0 : data.get(field);
    }

    /** Where the elements of a vector lie; an empty block when it is absent. */
    Block vector(int number) {
        int field = field(number);
        if (field == 0) {
            return new Block(0, 0);
        }
        int start = field + data.getInt(field);
        return new Block(start + 4, data.getInt(start));
    }

    /** The bytes of a vector, or a string, as UTF-8. */
    String text(int number) {
        Block block = vector(number);
        byte[] bytes = new byte[block.length];
        ByteBuffer from = data.duplicate();
        from.position(block.start);
        from.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The int32 of a vector. */
    int[] ints(int number) {
        Block block = vector(number);
        int[] values = new int[block.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = data.getInt(block.start + 4 * i);
        }
        return values;
    }

    /** The tables that a vector points to. */
    List<FlatTable> tables(int number) {
        Block block = vector(number);
        List<FlatTable> tables = new ArrayList<>();
        for (int i = 0; i < block.length; i++) {
            int slot = block.start + 4 * i;
            tables.add(new FlatTable(data, slot + data.getInt(slot)));
        }
        return tables;
    }

    private int field(int number) {
        int layout = at - data.getInt(at);
        int slot = 4 + 2 * number;
        if (slot >= data.getShort(layout)) {
            return 0;
        }
        int offset = data.getShort(layout + slot);
        return offset == 0 ? 0 : at + offset;
    }

    /** Where the elements of a vector start, and how many there are. */
    static final class Block {
        final int start;
        final int length;

        Block(int start, int length) {
            this.start = start;
            this.length = length;
        }
    }
}
