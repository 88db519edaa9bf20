package org.lpie.demo.core;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** A record as lines of logcat, which cuts longer ones; docs/app-benchmark.md. */
public final class RecordLines {
    private static final int PART = 3000;

    private RecordLines() {}

    /** {@code lpie-record ID I/N PART} for each part of {@code record}, Base64. */
    public static List<String> of(String id, String record) {
        String text = Base64.getEncoder()
                .encodeToString(record.getBytes(StandardCharsets.UTF_8));
        int count = (text.length() + PART - 1) / PART;
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String part = text.substring(i * PART, Math.min((i + 1) * PART, text.length()));
            lines.add("lpie-record " + id + " " + (i + 1) + "/" + count + " " + part);
        }
        return lines;
    }
}
