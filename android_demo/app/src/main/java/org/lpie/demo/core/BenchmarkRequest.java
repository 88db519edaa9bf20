package org.lpie.demo.core;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** What a benchmark is to measure; the names and defaults are those of docs/app-benchmark.md. */
public final class BenchmarkRequest {
    private static final Set<String> KNOWN = new HashSet<>(Arrays.asList("id", "model", "size",
            "delegate", "precision", "accelerator", "threads", "rounds", "seconds", "tile"));

    private static final String ID = "[A-Za-z0-9-]{1,32}";

    public final String id;
    /** {@code asset}, or the path of a `.tflite`. */
    public final String model;
    /** Of the image; null for the model's own. */
    public final Size size;
    public final Delegate delegate;
    public final boolean halfPrecision;
    public final String accelerator;
    public final int threads;
    public final int rounds;
    public final double seconds;
    public final int tilePx;

    private BenchmarkRequest(Map<String, String> extras) throws InputException {
        for (String name : extras.keySet()) {
            if (!KNOWN.contains(name)) {
                throw new InputException("There is no extra " + name + ".");
            }
        }
        id = matching(extras, "id", ID, "lpie");
        model = matching(extras, "model", "asset|/.+\\.tflite", "asset");
        String text = matching(extras, "size", "[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", "");
        size = text.isEmpty() ? null : new Size(
                Integer.parseInt(text.substring(text.indexOf('x') + 1)),
                Integer.parseInt(text.substring(0, text.indexOf('x'))));
        delegate = Delegate.named(matching(extras, "delegate", "cpu|xnnpack|gpu|nnapi", "gpu"));
        halfPrecision = matching(extras, "precision", "fp16|fp32", "fp16").equals("fp16");
        accelerator = matching(extras, "accelerator", ".*", "");
        threads = (int) number(extras, "threads", 1, 16, 4);
        rounds = (int) number(extras, "rounds", 1, 100, 5);
        seconds = number(extras, "seconds", 0, 3600, 2);
        tilePx = (int) number(extras, "tile", 1, 16384, 768);
    }

    /** The request in an intent's extras. */
    public static BenchmarkRequest parse(Map<String, String> extras) throws InputException {
        return new BenchmarkRequest(extras);
    }

    /** The id of {@code extras}, also where they ask for something else that is wrong. */
    public static String idOf(Map<String, String> extras) {
        String id = extras.get("id");
        return id != null && id.matches(ID) ? id : "lpie";
    }

    private static String matching(Map<String, String> extras, String name, String pattern,
            String otherwise) throws InputException {
        String value = extras.get(name);
        if (value == null || value.isEmpty()) {
            return otherwise;
        }
        if (!value.matches(pattern)) {
            throw new InputException("The extra " + name + " must match " + pattern
                    + ". Received: " + value + ".");
        }
        return value;
    }

    private static double number(Map<String, String> extras, String name, int least, int most,
            double otherwise) throws InputException {
        String text = matching(extras, name, "[0-9]{1,5}(\\.[0-9]{1,3})?", "" + otherwise);
        double value = Double.parseDouble(text);
        if (value < least || value > most) {
            throw new InputException("The extra " + name + " must lie between " + least + " and "
                    + most + ". Received: " + text + ".");
        }
        return value;
    }
}
