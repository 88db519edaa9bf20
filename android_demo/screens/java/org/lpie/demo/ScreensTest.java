package org.lpie.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.ColorSpace;
import android.media.ExifInterface;
import android.net.Uri;
import android.os.Bundle;
import android.provider.MediaStore;
import android.view.View;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.Button;
import android.widget.Spinner;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The photo screen on Android's own framework code and drawing. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 34, qualifiers = "w411dp-h891dp-xhdpi")
public final class ScreensTest {
    private static final File PHOTO = new File(Screens.OUT, "noisy.png");

    @Before
    public void haveMemory() {
        Screens.setFreeMemory(2000);
    }

    /** tests/device/test_android.py compares the file with what `lpie restore` makes of the same photo. */
    @Test
    public void aSharedPhotoIsRestoredAndShared() throws IOException {
        MainActivity screen = Screens.shared(PHOTO).get();
        assertTrue(Screens.status(screen).contains("lpienet_rt"));
        ((Spinner) screen.findViewById(R.id.delegate)).setSelection(2); // CPU
        Screens.press(screen, R.id.restore);
        assertEquals("Cancel", ((Button) screen.findViewById(R.id.restore)).getText());
        Screens.await(screen);
        assertNotNull(Screens.status(screen), screen.session().restored);
        Screens.draw(screen, "restored_screen.png");
        Screens.press(screen, R.id.share);
        Screens.await(screen);
        Intent chooser = shadowOf(screen).getNextStartedActivity();
        Uri uri = ((Intent) chooser.getParcelableExtra(Intent.EXTRA_INTENT))
                .getParcelableExtra(Intent.EXTRA_STREAM);
        assertEquals("noisy_restored.png", uri.getLastPathSegment());
        Files.copy(PhotoProvider.file(screen, "noisy_restored.png").toPath(),
                new File(Screens.OUT, "restored.png").toPath(),
                StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    @Config(qualifiers = "de-w411dp-h891dp-night-xhdpi", fontScale = 1.6f)
    public void aDelegateThatFailsIsReplacedAndTheScreenSaysWhy() throws IOException {
        ActivityController<MainActivity> controller = Screens.shared(PHOTO);
        Session session = controller.get().session();
        Screens.press(controller.get(), R.id.restore); // on the GPU, whose library is not here
        Screens.await(controller.get());
        assertTrue(Screens.status(controller.get()).contains("Nicht wie gewählt. gpu: Failed to"));
        Screens.draw(controller.get(), "german_dark_large.png");
        RuntimeEnvironment.setQualifiers("de-w891dp-h411dp-land-night-xhdpi");
        controller.recreate();
        assertSame(session, controller.get().session());
        assertTrue(controller.get().findViewById(R.id.save).isEnabled());
        Screens.draw(controller.get(), "landscape.png");
    }

    @Test
    public void orientationColourAndDateAreKept() throws IOException {
        File file = new File(Screens.OUT, "p3.jpg");
        Bitmap wide = Bitmap.createBitmap(96, 64, Bitmap.Config.ARGB_8888, false,
                ColorSpace.get(ColorSpace.Named.DISPLAY_P3));
        wide.eraseColor(android.graphics.Color.rgb(200, 40, 30));
        Screens.write(wide, Bitmap.CompressFormat.JPEG, file);
        ExifInterface exif = new ExifInterface(file.getPath());
        exif.setAttribute(ExifInterface.TAG_ORIENTATION, "6");
        exif.setAttribute(ExifInterface.TAG_DATETIME, "2026:11:28 12:00:00");
        exif.saveAttributes();
        MainActivity screen = Screens.shared(file).get();
        assertEquals(64, screen.session().photo.getWidth());
        Screens.press(screen, R.id.restore);
        Screens.await(screen);
        Screens.press(screen, R.id.share);
        Screens.await(screen);
        File restored = PhotoProvider.file(screen, "p3_restored.jpg");
        ExifInterface kept = new ExifInterface(restored.getPath());
        assertEquals(1, kept.getAttributeInt(ExifInterface.TAG_ORIENTATION, 0));
        assertEquals("2026:11:28 12:00:00", kept.getAttribute(ExifInterface.TAG_DATETIME));
        Bitmap decoded = BitmapFactory.decodeFile(restored.getPath());
        assertEquals(96, decoded.getHeight());
        assertEquals(wide.getColorSpace(), decoded.getColorSpace());
    }

    @Test
    public void aRestorationCanBeCancelled() throws IOException {
        MainActivity screen = Screens.shared(PHOTO).get();
        Screens.press(screen, R.id.restore);
        Screens.press(screen, R.id.restore);
        Screens.await(screen);
        assertNull(screen.session().restored);
        assertTrue(Screens.status(screen).startsWith("Cancelled"));
        assertFalse(screen.findViewById(R.id.save).isEnabled());
    }

    @Test
    public void badPhotosAreRefusedWithASentence() throws IOException {
        File damaged = new File(Screens.OUT, "damaged.jpg");
        Files.write(damaged.toPath(), new byte[] {1, 2, 3});
        MainActivity screen = Screens.shared(damaged).get();
        assertEquals("The photo cannot be read.", Screens.status(screen));
        assertFalse(screen.findViewById(R.id.restore).isEnabled());
        Screens.setFreeMemory(0);
        assertTrue(Screens.status(Screens.shared(PHOTO).get()).contains("too large"));
    }

    @Test
    public void photosComeFromThePickerAndTheCamera() {
        MainActivity screen = Robolectric.buildActivity(MainActivity.class).setup().get();
        Screens.press(screen, R.id.choose);
        Intent picker = shadowOf(screen).getNextStartedActivity();
        assertEquals(MediaStore.ACTION_PICK_IMAGES, picker.getAction());
        Screens.press(screen, R.id.camera);
        Intent camera = shadowOf(screen).getNextStartedActivity();
        assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, camera.getAction());
        assertEquals("content://org.lpie.demo.photos/camera.jpg",
                String.valueOf((Uri) camera.getParcelableExtra(MediaStore.EXTRA_OUTPUT)));
    }

    @Test
    public void theLineMovesByTalkBack() throws IOException {
        MainActivity screen = Screens.shared(PHOTO).get();
        View compare = screen.findViewById(R.id.compare);
        assertEquals("The photo.", compare.getContentDescription());
        Screens.press(screen, R.id.restore);
        Screens.await(screen);
        compare.performAccessibilityAction(AccessibilityNodeInfo.ACTION_SCROLL_FORWARD,
                new Bundle());
        assertTrue(compare.getContentDescription().toString().contains("60 percent"));
    }
}
