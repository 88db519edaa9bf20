package org.lpie.demo;

import android.graphics.Bitmap;
import android.net.Uri;
import java.io.File;

/** What the photo screen keeps over a rotation; only the main thread touches it. */
final class Session {
    Uri uri;
    Bitmap photo;
    Bitmap restored;
    /** The restored photo, encoded, once it was saved or shared. */
    File file;
    /** What the user reads; null for the invitation to choose a photo. */
    String status;
    /** Each is null again once its last report was heard. */
    ReadWorker reading;
    RestoreWorker restoring;
    SaveWorker saving;

    boolean isBusy() {
        return reading != null || restoring != null || saving != null;
    }
}
