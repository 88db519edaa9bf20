package org.lpie.demo;

import android.content.ContentResolver;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.ImageDecoder;
import android.graphics.Matrix;
import android.media.ExifInterface;
import android.net.Uri;
import android.os.Build;
import java.io.IOException;
import java.io.InputStream;
import org.lpie.demo.core.Size;

/** Reads a photo at full size, upright, in its own colour space. */
final class PhotoFile {
    private PhotoFile() {}

    /** (height, width) in px as stored, which is cheap to know. */
    static Size size(ContentResolver resolver, Uri uri) throws IOException {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        try (InputStream stream = open(resolver, uri)) {
            BitmapFactory.decodeStream(stream, null, options);
        }
        if (options.outWidth < 1 || options.outHeight < 1) {
            throw new IOException("no image");
        }
        return new Size(options.outHeight, options.outWidth);
    }

    /** The photo: an ARGB_8888 bitmap. */
    static Bitmap read(ContentResolver resolver, Uri uri) throws IOException {
        Bitmap bitmap = Build.VERSION.SDK_INT >= Build.VERSION_CODES.P
                ? decode(resolver, uri) : decodeAndTurn(resolver, uri);
        if (bitmap.getConfig() == Bitmap.Config.ARGB_8888) {
            return bitmap;
        }
        Bitmap copy = bitmap.copy(Bitmap.Config.ARGB_8888, false);
        bitmap.recycle();
        return copy;
    }

    private static Bitmap decode(ContentResolver resolver, Uri uri) throws IOException {
        return ImageDecoder.decodeBitmap(ImageDecoder.createSource(resolver, uri),
                new ImageDecoder.OnHeaderDecodedListener() {
                    @Override
                    public void onHeaderDecoded(ImageDecoder decoder, ImageDecoder.ImageInfo info,
                            ImageDecoder.Source source) {
                        decoder.setAllocator(ImageDecoder.ALLOCATOR_SOFTWARE);
                    }
                });
    }

    /** Before Android 9, whose decoder turns photos itself. */
    private static Bitmap decodeAndTurn(ContentResolver resolver, Uri uri) throws IOException {
        Matrix turn;
        try (InputStream stream = open(resolver, uri)) {
            turn = turn(new ExifInterface(stream).getAttributeInt(
                    ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL));
        }
        Bitmap stored;
        try (InputStream stream = open(resolver, uri)) {
            stored = BitmapFactory.decodeStream(stream);
        }
        if (stored == null) {
            throw new IOException("no image");
        }
        return Bitmap.createBitmap(stored, 0, 0, stored.getWidth(), stored.getHeight(), turn,
                false);
    }

    private static Matrix turn(int orientation) {
        Matrix matrix = new Matrix();
        boolean mirrored = orientation == ExifInterface.ORIENTATION_FLIP_HORIZONTAL
                || orientation == ExifInterface.ORIENTATION_FLIP_VERTICAL
                || orientation == ExifInterface.ORIENTATION_TRANSPOSE
                || orientation == ExifInterface.ORIENTATION_TRANSVERSE;
        if (mirrored) {
            matrix.postScale(-1, 1);
        }
        matrix.postRotate(degrees(orientation));
        return matrix;
    }

    /** Clockwise, after mirroring left to right. */
    private static int degrees(int orientation) {
        switch (orientation) {
            case ExifInterface.ORIENTATION_ROTATE_90:
            case ExifInterface.ORIENTATION_TRANSVERSE:
                return 90;
            case ExifInterface.ORIENTATION_ROTATE_180:
            case ExifInterface.ORIENTATION_FLIP_VERTICAL:
                return 180;
            case ExifInterface.ORIENTATION_ROTATE_270:
            case ExifInterface.ORIENTATION_TRANSPOSE:
                return 270;
            default:
                return 0;
        }
    }

    private static InputStream open(ContentResolver resolver, Uri uri) throws IOException {
        InputStream stream = resolver.openInputStream(uri);
        if (stream == null) {
            throw new IOException("no stream");
        }
        return stream;
    }
}
