package org.lpie.demo;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;

/** Lends files of the app's cache folder `photos` to the camera and to apps one shares with. */
public final class PhotoProvider extends ContentProvider {
    /** The file {@code name} of the folder that is lent. */
    static File file(Context context, String name) {
        File folder = new File(context.getCacheDir(), "photos");
        folder.mkdirs();
        return new File(folder, name);
    }

    /** The address of {@code file}. */
    static Uri uri(Context context, File file) {
        return new Uri.Builder().scheme("content").authority(context.getPackageName() + ".photos")
                .appendPath(file.getName()).build();
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        return ParcelFileDescriptor.open(named(uri), ParcelFileDescriptor.parseMode(mode));
    }

    @Override
    public String getType(Uri uri) {
        return PhotoWriter.mimeType(String.valueOf(uri.getLastPathSegment()));
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String where, String[] values, String order) {
        String[] wanted = columns != null ? columns
                : new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE};
        MatrixCursor cursor = new MatrixCursor(wanted);
        MatrixCursor.RowBuilder row = cursor.newRow();
        File file = file(getContext(), String.valueOf(uri.getLastPathSegment()));
        for (String column : wanted) {
            if (column.equals(OpenableColumns.DISPLAY_NAME)) {
                row.add(file.getName());
            } else {
                row.add(column.equals(OpenableColumns.SIZE) ? file.length() : null);
            }
        }
        return cursor;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException("Photos are only lent.");
    }

    @Override
    public int delete(Uri uri, String where, String[] values) {
        throw new UnsupportedOperationException("Photos are only lent.");
    }

    @Override
    public int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new UnsupportedOperationException("Photos are only lent.");
    }

    private File named(Uri uri) throws FileNotFoundException {
        String name = uri.getLastPathSegment();
        if (name == null || uri.getPathSegments().size() != 1 || name.contains("/")
                || name.startsWith(".")) {
            throw new FileNotFoundException(uri + " is no photo of this app.");
        }
        return file(getContext(), name);
    }
}
