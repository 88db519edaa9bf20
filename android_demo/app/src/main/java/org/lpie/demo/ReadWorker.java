package org.lpie.demo;

import android.app.ActivityManager;
import android.content.Context;
import android.graphics.Bitmap;
import android.net.Uri;
import java.io.IOException;
import org.lpie.demo.core.Size;

/** Reads one photo. */
final class ReadWorker extends Worker<ReadWorker.Report> {
    /** The photo and its restored twin, RGBA each. */
    private static final int BYTES_PER_PIXEL = 8;

    /** The photo, or why there is none. */
    static final class Report {
        Bitmap photo;
        String tooLarge;
        boolean unreadable;
    }

    private final Context context;
    private final Uri uri;

    ReadWorker(Context context, Uri uri) {
        this.context = context.getApplicationContext();
        this.uri = uri;
    }

    @Override
    protected void work() {
        Report report = new Report();
        try {
            Size size = PhotoFile.size(context.getContentResolver(), uri);
            if (size.pixels() * BYTES_PER_PIXEL > freeBytes()) {
                report.tooLarge = size.toString();
            } else {
                report.photo = PhotoFile.read(context.getContentResolver(), uri);
            }
        } catch (IOException | SecurityException unreadable) {
            report.unreadable = true;
        } catch (OutOfMemoryError error) {
            report.tooLarge = "";
        }
        finish(report);
    }

    private long freeBytes() {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        context.getSystemService(ActivityManager.class).getMemoryInfo(memory);
        return memory.availMem - memory.threshold;
    }
}
