package org.lpie.demo;

import android.graphics.Bitmap;
import android.net.Uri;
import java.io.File;

/** What the photo screen keeps over a rotation. */
final class Session {
    Uri uri;
    Bitmap photo;
    Bitmap restored;
    /** The restored photo, encoded, once it was saved or shared. */
    File file;
    /** What the user reads; null for the invitation to choose a photo. */
    String status;
    ReadWorker reading;
    RestoreWorker restoring;
    SaveWorker saving;

    boolean isBusy() {
        return runs(reading) || runs(restoring) || runs(saving);
    }

    boolean isRestoring() {
        return runs(restoring);
    }

    private static boolean runs(Worker<?> worker) {
        return worker != null && worker.isRunning();
    }
}
