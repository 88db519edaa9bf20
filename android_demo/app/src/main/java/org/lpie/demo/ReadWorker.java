package org.lpie.demo;

import android.app.ActivityManager;
import android.content.Context;
import android.graphics.Bitmap;
import android.net.Uri;
import java.io.IOException;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.ModelSpec;
import org.lpie.demo.core.Size;

/** Reads one photo, and the model's spec. */
final class ReadWorker extends Worker<ReadWorker.Report> {
    /** The photo and its restored twin, RGBA each. */
    private static final int BYTES_PER_PIXEL = 8;

    /** The photo, or why there is none. */
    static final class Report {
        Bitmap photo;
        /** Of the model that will restore it. */
        ModelSpec spec;
        String failure;
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
    public void run() {
        Report report = new Report();
        Size size = new Size(0, 0);
        try {
            report.spec = ModelFile.packaged(context).spec;
            size = PhotoFile.size(context.getContentResolver(), uri);
            if (size.pixels() * BYTES_PER_PIXEL > freeBytes()) {
                report.tooLarge = size.toString();
            } else {
                report.photo = PhotoFile.read(context.getContentResolver(), uri);
            }
        } catch (InputException error) {
            report.failure = error.getMessage();
        } catch (IOException | SecurityException unreadable) {
            report.unreadable = true;
        } catch (OutOfMemoryError error) {
            report.tooLarge = size.toString();
        }
        report(report);
    }

    private long freeBytes() {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        context.getSystemService(ActivityManager.class).getMemoryInfo(memory);
        return memory.availMem - memory.threshold;
    }
}
