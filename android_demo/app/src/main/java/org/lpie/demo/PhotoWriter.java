package org.lpie.demo;

import android.content.ContentResolver;
import android.content.ContentValues;
import android.graphics.Bitmap;
import android.media.ExifInterface;
import android.net.Uri;
import android.os.Build;
import android.os.Environment;
import android.provider.MediaStore;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** Writes a restored photo, with the EXIF of the one it was made from. */
final class PhotoWriter {
    private static final int JPEG_QUALITY = 95;
    /** What a restoration does not change; the orientation is not among it: photos are upright. */
    private static final String[] TAGS = {
        ExifInterface.TAG_ARTIST, ExifInterface.TAG_COPYRIGHT, ExifInterface.TAG_DATETIME,
        ExifInterface.TAG_DATETIME_DIGITIZED, ExifInterface.TAG_DATETIME_ORIGINAL,
        ExifInterface.TAG_EXPOSURE_BIAS_VALUE, ExifInterface.TAG_EXPOSURE_MODE,
        ExifInterface.TAG_EXPOSURE_PROGRAM, ExifInterface.TAG_EXPOSURE_TIME,
        ExifInterface.TAG_F_NUMBER, ExifInterface.TAG_FLASH, ExifInterface.TAG_FOCAL_LENGTH,
        ExifInterface.TAG_FOCAL_LENGTH_IN_35MM_FILM, ExifInterface.TAG_GPS_ALTITUDE,
        ExifInterface.TAG_GPS_ALTITUDE_REF, ExifInterface.TAG_GPS_DATESTAMP,
        ExifInterface.TAG_GPS_LATITUDE, ExifInterface.TAG_GPS_LATITUDE_REF,
        ExifInterface.TAG_GPS_LONGITUDE, ExifInterface.TAG_GPS_LONGITUDE_REF,
        ExifInterface.TAG_GPS_TIMESTAMP, ExifInterface.TAG_IMAGE_DESCRIPTION,
        ExifInterface.TAG_ISO_SPEED_RATINGS, ExifInterface.TAG_MAKE,
        ExifInterface.TAG_METERING_MODE, ExifInterface.TAG_MODEL, ExifInterface.TAG_SUBSEC_TIME,
        ExifInterface.TAG_SUBSEC_TIME_ORIGINAL, ExifInterface.TAG_WHITE_BALANCE,
    };

    private PhotoWriter() {}

    /** Writes {@code photo} to {@code file}: PNG where the source was one, else JPEG. */
    static void write(Bitmap photo, File file, ContentResolver resolver, Uri source)
            throws IOException {
        boolean png = isPng(file.getName());
        try (OutputStream stream = new FileOutputStream(file)) {
            // Bitmap.compress writes the profile of the bitmap's colour space.
            if (!photo.compress(png ? Bitmap.CompressFormat.PNG : Bitmap.CompressFormat.JPEG,
                    JPEG_QUALITY, stream)) {
                throw new IOException("The photo could not be encoded.");
            }
        }
        if (!png) {
            copyExif(resolver, source, file);
        }
    }

    /** What the restored photo is called, whatever {@code name} the source had. */
    static String restoredName(String name, boolean png) {
        String stem = name.replaceFirst("\\.[A-Za-z0-9]{1,5}$", "");
        String plain = stem.replaceAll("[/\\\\:*?\"<>|\\p{Cntrl}]", "_");
        return plain + "_restored" + (png ? ".png" : ".jpg");
    }

    static String mimeType(String name) {
        return isPng(name) ? "image/png" : "image/jpeg";
    }

    /** Adds {@code file} to the phone's pictures; needs Android 10, and no permission. */
    static Uri addToPictures(ContentResolver resolver, File file) throws IOException {
        ContentValues values = new ContentValues();
        values.put(MediaStore.Images.Media.DISPLAY_NAME, file.getName());
        values.put(MediaStore.Images.Media.MIME_TYPE, mimeType(file.getName()));
        values.put(MediaStore.Images.Media.RELATIVE_PATH,
                Environment.DIRECTORY_PICTURES + "/lpie");
        values.put(MediaStore.Images.Media.IS_PENDING, 1);
        Uri uri = resolver.insert(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, values);
        if (uri == null) {
            throw new IOException("The phone's pictures cannot be written.");
        }
        boolean whole = false;
        try {
            copy(resolver, file, uri);
            values.clear();
            values.put(MediaStore.Images.Media.IS_PENDING, 0);
            resolver.update(uri, values, null, null);
            whole = true;
        } finally {
            if (!whole) {
                resolver.delete(uri, null, null);
            }
        }
        return uri;
    }

    /** Whether {@link #addToPictures} works here. */
    static boolean canAddToPictures() {
        return Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q;
    }

    /** Copies {@code file} to {@code uri}. */
    static void copy(ContentResolver resolver, File file, Uri uri) throws IOException {
        try (InputStream from = new FileInputStream(file);
                OutputStream to = resolver.openOutputStream(uri)) {
            if (to == null) {
                throw new IOException("no stream");
            }
            byte[] block = new byte[1 << 16];
            for (int n = from.read(block); n > 0; n = from.read(block)) {
                to.write(block, 0, n);
            }
        }
    }

    private static boolean isPng(String name) {
        return name.endsWith(".png");
    }

    private static void copyExif(ContentResolver resolver, Uri source, File file)
            throws IOException {
        try (InputStream stream = resolver.openInputStream(source)) {
            if (stream == null) {
                return;
            }
            ExifInterface from = new ExifInterface(stream);
            ExifInterface to = new ExifInterface(file.getPath());
            for (String tag : TAGS) {
                if (from.getAttribute(tag) != null) {
                    to.setAttribute(tag, from.getAttribute(tag));
                }
            }
            to.setAttribute(ExifInterface.TAG_ORIENTATION,
                    String.valueOf(ExifInterface.ORIENTATION_NORMAL));
            to.saveAttributes();
        }
    }
}
