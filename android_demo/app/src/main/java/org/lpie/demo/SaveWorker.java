package org.lpie.demo;

import android.content.ContentResolver;
import android.content.Context;
import android.database.Cursor;
import android.graphics.Bitmap;
import android.net.Uri;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.IOException;

/** Encodes a restored photo, and saves it where that is asked. */
final class SaveWorker extends Worker<SaveWorker.Report> {
    /** What to do with the encoded photo. */
    enum Aim { PICTURES, DOCUMENT, SHARE }

    /** The encoded photo, or why there is none. */
    static final class Report {
        final Aim aim;
        File file;
        String failure;

        Report(Aim aim) {
            this.aim = aim;
        }
    }

    private final Context context;
    private final Uri source;
    private final Bitmap restored;
    private final Aim aim;
    private final File encoded;
    private final Uri document;

    /**
     * A worker for {@code aim}.
     *
     * @param document where to write it, for DOCUMENT, else null
     */
    SaveWorker(Context context, Session session, Aim aim, Uri document) {
        this.context = context.getApplicationContext();
        this.source = session.uri;
        this.restored = session.restored;
        this.encoded = session.file;
        this.aim = aim;
        this.document = document;
    }

    @Override
    public void run() {
        Report report = new Report(aim);
        ContentResolver resolver = context.getContentResolver();
        try {
            report.file = encoded != null ? encoded : encode(resolver);
            if (aim == Aim.PICTURES) {
                PhotoWriter.addToPictures(resolver, report.file);
            } else if (aim == Aim.DOCUMENT) {
                PhotoWriter.copy(resolver, report.file, document);
            }
        } catch (IOException | SecurityException | IllegalArgumentException
                | IllegalStateException error) { // what other apps' providers throw
            report.failure = error.getMessage();
        }
        report(report);
    }

    private File encode(ContentResolver resolver) throws IOException {
        boolean png = "image/png".equals(resolver.getType(source));
        String name = PhotoWriter.restoredName(displayName(resolver), png);
        File file = PhotoProvider.file(context, name);
        PhotoWriter.write(restored, file, resolver, source);
        return file;
    }

    private String displayName(ContentResolver resolver) {
        String[] columns = {OpenableColumns.DISPLAY_NAME};
        try (Cursor cursor = resolver.query(source, columns, null, null, null)) {
            boolean known = cursor != null && cursor.moveToFirst() && !cursor.isNull(0);
            return known ? cursor.getString(0) : "photo";
        }
    }
}
