package org.lpie.demo;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.ColorSpace;
import java.nio.ByteBuffer;
import org.lpie.demo.core.Photo;
import org.lpie.demo.core.Size;

/**
 * A bitmap's pixels as they are stored.
 *
 * <p>Bitmap.getPixels would convert them to sRGB and clip a wider gamut; pieces of the same colour
 * space are copied unchanged.
 */
final class BitmapPhoto implements Photo {
    private final Bitmap bitmap;

    /** The photo in {@code bitmap}, ARGB_8888; only read unless it is mutable. */
    BitmapPhoto(Bitmap bitmap) {
        this.bitmap = bitmap;
        bitmap.setDensity(Bitmap.DENSITY_NONE);
    }

    /** A bitmap of the same size and colour space as {@code model}. */
    static Bitmap emptyLike(Bitmap model) {
        return Bitmap.createBitmap(model.getWidth(), model.getHeight(), Bitmap.Config.ARGB_8888,
                false, space(model));
    }

    private static ColorSpace space(Bitmap bitmap) {
        ColorSpace known = bitmap.getColorSpace();
        return known != null ? known : ColorSpace.get(ColorSpace.Named.SRGB);
    }

    @Override
    public Size size() {
        return new Size(bitmap.getHeight(), bitmap.getWidth());
    }

    @Override
    public void read(int y, int x, Size part, ByteBuffer rgba) {
        Bitmap piece = Bitmap.createBitmap(bitmap, x, y, part.width, part.height);
        piece.copyPixelsToBuffer(rgba);
        if (piece != bitmap) {
            piece.recycle();
        }
    }

    @Override
    public void write(int y, int x, Size part, ByteBuffer rgba) {
        Bitmap piece = Bitmap.createBitmap(part.width, part.height, Bitmap.Config.ARGB_8888, false,
                space(bitmap));
        piece.setDensity(Bitmap.DENSITY_NONE);
        piece.copyPixelsFromBuffer(rgba);
        new Canvas(bitmap).drawBitmap(piece, x, y, null);
        piece.recycle();
    }
}
