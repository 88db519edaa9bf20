package org.lpie.demo;

import android.os.Process;
import android.os.SystemClock;
import android.util.Log;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.UUID;

/**
 * The log of this process, which every app may read: TFLite's Java says nowhere else how much of a
 * model a delegate took.
 */
final class OwnLog {
    static final String TAG = "lpie";

    /** What a line may take from its writer to the log. */
    private static final long LINE_MS = 100;

    private OwnLog() {}

    /** Writes a line that nothing else contains, and returns it. */
    static String mark() {
        String marker = "lpie-delegate " + UUID.randomUUID();
        Log.i(TAG, marker);
        return marker;
    }

    /** The latest lines; empty where the system does not let them be read. */
    static String read() {
        StringBuilder lines = new StringBuilder();
        SystemClock.sleep(LINE_MS);
        try {
            java.lang.Process logcat = new ProcessBuilder("logcat", "-d", "-t", "400",
                    "--pid=" + Process.myPid()).redirectErrorStream(true).start();
            try (BufferedReader reader =
                    new BufferedReader(new InputStreamReader(logcat.getInputStream()))) {
                for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                    lines.append(line).append('\n');
                }
            }
        } catch (IOException unreadable) {
            Log.w(TAG, "The log cannot be read, so what the delegate took is unknown.", unreadable);
        }
        return lines.toString();
    }
}
