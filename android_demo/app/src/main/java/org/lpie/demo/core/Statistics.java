package org.lpie.demo.core;

import java.util.Arrays;
import org.json.JSONException;
import org.json.JSONObject;

/** What can be said of a sample of latencies, as lpie.benchmarks.records.statistics computes it. */
public final class Statistics {
    private static final int[] PERCENTS = {5, 90, 95, 99};

    private final double[] sorted;

    /** The statistics of {@code timesMs}, at least one. */
    public Statistics(double[] timesMs) {
        if (timesMs.length == 0) {
            throw new IllegalArgumentException("One time at least is needed. Received: none.");
        }
        sorted = timesMs.clone();
        Arrays.sort(sorted);
    }

    public double median() {
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    /** The smallest time that {@code percent} of all do not exceed (nearest rank). */
    public double percentile(int percent) {
        int rank = (percent * sorted.length + 99) / 100;
        return sorted[Math.max(rank, 1) - 1];
    }

    public double mean() {
        double sum = 0;
        for (double time : sorted) {
            sum += time;
        }
        return sum / sorted.length;
    }

    /** The standard deviation of the population. */
    public double deviation() {
        double mean = mean();
        double sum = 0;
        for (double time : sorted) {
            sum += (time - mean) * (time - mean);
        }
        return Math.sqrt(sum / sorted.length);
    }

    /** The median distance from the median. */
    public double spread() {
        double[] distances = new double[sorted.length];
        for (int i = 0; i < sorted.length; i++) {
            distances[i] = Math.abs(sorted[i] - median());
        }
        return new Statistics(distances).median();
    }

    /** Puts what a record's round and its summary share into {@code table}. */
    public void describe(JSONObject table) throws JSONException {
        table.put("count", sorted.length);
        table.put("median_ms", median());
        table.put("mean_ms", mean());
        table.put("min_ms", sorted[0]);
        table.put("max_ms", sorted[sorted.length - 1]);
        table.put("std_ms", deviation());
        for (int percent : PERCENTS) {
            table.put("p" + percent + "_ms", percentile(percent));
        }
    }
}
