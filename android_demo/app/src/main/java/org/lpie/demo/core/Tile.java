package org.lpie.demo.core;

/** One tile: reads height x width px at (y, x), keeps rows y0 to y1 and columns x0 to x1. */
public final class Tile {
    public final int y;
    public final int x;
    public final int height;
    public final int width;
    public final int y0;
    public final int x0;
    public final int y1;
    public final int x1;

    Tile(TilePlan.Span rows, TilePlan.Span columns, int height, int width) {
        this.y = rows.origin;
        this.x = columns.origin;
        this.height = height;
        this.width = width;
        this.y0 = rows.start;
        this.x0 = columns.start;
        this.y1 = rows.stop;
        this.x1 = columns.stop;
    }
}
