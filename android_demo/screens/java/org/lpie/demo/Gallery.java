package org.lpie.demo;

import static org.robolectric.Shadows.shadowOf;

import android.content.ContentProvider;
import android.content.ContentResolver;
import android.content.ContentValues;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.provider.OpenableColumns;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;

/** Another app, which shares photos by name and type, and as streams: files have no number here. */
public final class Gallery extends ContentProvider {
    private static final String AUTHORITY = "org.lpie.gallery";

    /** The address of a photo that the gallery has from now on. */
    static Uri add(final File photo) {
        Robolectric.buildContentProvider(Gallery.class).create(AUTHORITY);
        Uri uri = Uri.parse("content://" + AUTHORITY + "/" + photo.getName());
        ContentResolver resolver = RuntimeEnvironment.getApplication().getContentResolver();
        shadowOf(resolver).registerInputStreamSupplier(uri, () -> open(photo));
        return uri;
    }

    private static InputStream open(File photo) {
        try {
            return new ByteArrayInputStream(Files.readAllBytes(photo.toPath()));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public String getType(Uri uri) {
        return PhotoWriter.mimeType(uri.getLastPathSegment());
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String where, String[] values, String order) {
        MatrixCursor cursor = new MatrixCursor(new String[] {OpenableColumns.DISPLAY_NAME});
        cursor.addRow(new Object[] {uri.getLastPathSegment()});
        return cursor;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int delete(Uri uri, String where, String[] values) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new UnsupportedOperationException();
    }
}
