package org.lpie.demo;

import android.content.ClipData;
import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import android.os.Build;
import android.provider.MediaStore;
import java.io.File;

/** How other apps are asked for photos, and given them. */
final class Intents {
    private Intents() {}

    /** Asks for a photo of the phone: Android's own picker from 13 on. */
    static Intent choose() {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            return new Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*");
        }
        return new Intent(Intent.ACTION_GET_CONTENT).setType("image/*")
                .addCategory(Intent.CATEGORY_OPENABLE);
    }

    /** Asks the camera to write {@link #taken}. */
    static Intent camera(Context context) {
        Uri uri = PhotoProvider.uri(context, taken(context));
        Intent intent = new Intent(MediaStore.ACTION_IMAGE_CAPTURE)
                .putExtra(MediaStore.EXTRA_OUTPUT, uri)
                .addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION);
        intent.setClipData(ClipData.newRawUri("", uri));
        return intent;
    }

    /** Where the camera puts its photo. */
    static File taken(Context context) {
        return PhotoProvider.file(context, "camera.jpg");
    }

    /** Asks where to save, before Android 10. */
    static Intent place() {
        return new Intent(Intent.ACTION_CREATE_DOCUMENT).setType("image/jpeg")
                .addCategory(Intent.CATEGORY_OPENABLE)
                .putExtra(Intent.EXTRA_TITLE, PhotoWriter.restoredName("photo", false));
    }

    /** Offers {@code photo}, of {@link PhotoProvider}, to other apps. */
    static Intent share(Context context, File photo) {
        Uri uri = PhotoProvider.uri(context, photo);
        Intent send = new Intent(Intent.ACTION_SEND)
                .setType(PhotoWriter.mimeType(photo.getName()))
                .putExtra(Intent.EXTRA_STREAM, uri)
                .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
        send.setClipData(ClipData.newRawUri("", uri));
        return Intent.createChooser(send, context.getString(R.string.share));
    }

    /** The photo that another app shared, or null. */
    static Uri shared(Intent intent) {
        Object sent = Intent.ACTION_SEND.equals(intent.getAction())
                ? intent.getParcelableExtra(Intent.EXTRA_STREAM) : null;
        return sent instanceof Uri ? (Uri) sent : null;
    }
}
