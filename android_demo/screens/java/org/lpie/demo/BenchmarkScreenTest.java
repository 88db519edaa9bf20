package org.lpie.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.content.Context;
import android.content.Intent;
import android.view.View;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowLog;

/** The benchmark screen, started as `lpie bench` does over adb. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 34, qualifiers = "w411dp-h891dp-xhdpi")
public final class BenchmarkScreenTest {
    @Before
    public void haveMemory() {
        Screens.setFreeMemory(2000);
    }

    /** tests/device/test_android.py reads the file as `lpie bench` reads logcat. */
    @Test
    public void theRecordIsInTheLog() throws IOException {
        BenchmarkActivity screen = started("id", "a1", "size", "264x176", "delegate", "xnnpack",
                "rounds", "2", "seconds", "0", "tile", "176");
        assertEquals("lpie-status a1 done", awaitStatus("a1"));
        Files.write(new File(Screens.OUT, "log.txt").toPath(), lines("lpie-"));
        assertEquals("lpie-progress a1 round 1/2", lines("lpie-progress").get(0));
        while (screen.findViewById(R.id.share).getVisibility() != View.VISIBLE) {
            Screens.idle();
        }
        assertTrue(Screens.status(screen), Screens.status(screen).contains("264x176")
                || Screens.status(screen).contains("176x176"));
        Screens.draw(screen, "benchmark_screen.png");
    }

    @Test
    public void aWrongRequestIsAnsweredWithASentence() {
        started("id", "a2", "delegate", "tpu");
        assertTrue(awaitStatus("a2").startsWith("lpie-status a2 failed The extra delegate must"));
        started("id", "a3", "size", "100x100");
        assertEquals("lpie-status a3 failed The size must be a multiple of 8 px. Received:"
                + " 100x100.", awaitStatus("a3"));
        started("id", "a4", "model", "/nowhere/m.tflite");
        assertTrue(awaitStatus("a4").startsWith("lpie-status a4 failed /nowhere/m.tflite"));
    }

    private static BenchmarkActivity started(String... extras) {
        Context context = RuntimeEnvironment.getApplication();
        Intent intent = new Intent(context, BenchmarkActivity.class);
        for (int i = 0; i < extras.length; i += 2) {
            intent.putExtra(extras[i], extras[i + 1]);
        }
        return Robolectric.buildActivity(BenchmarkActivity.class, intent).setup().get();
    }

    private static String awaitStatus(String id) {
        long end = System.currentTimeMillis() + 40_000;
        while (lines("lpie-status " + id).isEmpty() && System.currentTimeMillis() < end) {
            Screens.idle();
        }
        return lines("lpie-status " + id).get(0);
    }

    private static List<String> lines(String start) {
        List<String> found = new ArrayList<>();
        for (ShadowLog.LogItem item : ShadowLog.getLogsForTag("lpie")) {
            if (item.msg.startsWith(start)) {
                found.add(item.msg);
            }
        }
        return found;
    }
}
