package org.lpie.demo;

import static org.junit.Assert.assertFalse;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.ActivityManager;
import android.content.Context;
import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.os.Looper;
import android.view.View;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** What the tests of both screens share. */
final class Screens {
    /** Where pictures and files go that Python tests look at. */
    static final File OUT = new File(System.getProperty("out"));
    private static final long LIMIT_MS = 20_000;

    private Screens() {}

    /** Gives the phone {@code mb} of free memory. */
    static void setFreeMemory(long mb) {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        memory.availMem = mb * 1_000_000;
        memory.totalMem = 4_000_000_000L;
        Context context = RuntimeEnvironment.getApplication();
        shadowOf(context.getSystemService(ActivityManager.class)).setMemoryInfo(memory);
    }

    /** The photo screen to which another app has shared {@code photo}. */
    static ActivityController<MainActivity> shared(File photo) {
        Context context = RuntimeEnvironment.getApplication();
        Intent intent = new Intent(Intent.ACTION_SEND).setClass(context, MainActivity.class)
                .putExtra(Intent.EXTRA_STREAM, Gallery.add(photo));
        ActivityController<MainActivity> screen =
                Robolectric.buildActivity(MainActivity.class, intent).setup();
        await(screen.get());
        return screen;
    }

    /** Lets the main thread run until no worker does. */
    static void await(MainActivity screen) {
        long end = System.currentTimeMillis() + LIMIT_MS;
        while (screen.session().isBusy() && System.currentTimeMillis() < end) {
            idle();
        }
        assertFalse(status(screen), screen.session().isBusy());
    }

    /** Lets the main thread do what waits for it, and a worker a little. */
    static void idle() {
        shadowOf(Looper.getMainLooper()).idle();
        try {
            Thread.sleep(10);
        } catch (InterruptedException error) {
            throw new AssertionError(error);
        }
    }

    static String status(Activity screen) {
        return ((TextView) screen.findViewById(R.id.status)).getText().toString();
    }

    static void press(Activity screen, int button) {
        screen.findViewById(button).performClick();
    }

    /** Draws {@code screen} as Android does, into the file {@code name}. */
    static void draw(Activity screen, String name) throws IOException {
        shadowOf(Looper.getMainLooper()).idle();
        View window = screen.getWindow().getDecorView();
        Bitmap picture = Bitmap.createBitmap(window.getWidth(), window.getHeight(),
                Bitmap.Config.ARGB_8888);
        window.draw(new Canvas(picture));
        write(picture, Bitmap.CompressFormat.PNG, new File(OUT, name));
    }

    static void write(Bitmap bitmap, Bitmap.CompressFormat format, File file) throws IOException {
        try (OutputStream stream = new FileOutputStream(file)) {
            bitmap.compress(format, 95, stream);
        }
    }
}
