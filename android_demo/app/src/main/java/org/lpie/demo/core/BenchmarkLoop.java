package org.lpie.demo.core;

import java.util.ArrayList;
import java.util.List;

/** Runs something again and again: first run, warm-up, rounds. */
public final class BenchmarkLoop {
    /** Warming up ends after this long, and two runs at least. */
    private static final double WARMUP_S = 1;

    /** What is measured. */
    public interface Image {
        /** Restores one image; false when it was cancelled. */
        boolean restore();
    }

    /** Seconds of a clock that never goes back. */
    public interface Clock {
        double seconds();
    }

    /** Told of rounds. */
    public interface Rounds {
        void begins(int round, int count);

        void ended(Round round);
    }

    /** The times of one round. */
    public static final class Round {
        /** When it began, after the first one (s). */
        public final double atS;
        public final double[] timesMs;

        Round(double atS, List<Double> timesMs) {
            this.atS = atS;
            this.timesMs = new double[timesMs.size()];
            for (int i = 0; i < this.timesMs.length; i++) {
                this.timesMs[i] = timesMs.get(i);
            }
        }
    }

    private final Image image;
    private final Clock clock;
    private boolean cancelled;
    public double firstMs;
    public double warmupMs;
    public int warmupRuns;

    public BenchmarkLoop(Image image, Clock clock) {
        this.image = image;
        this.clock = clock;
    }

    /** The first run and the warm-up; false when cancelled. */
    public boolean warmUp() {
        firstMs = timeMs();
        double start = clock.seconds();
        while (!cancelled && (warmupRuns < 2 || clock.seconds() - start < WARMUP_S)) {
            timeMs();
            warmupRuns++;
        }
        warmupMs = (clock.seconds() - start) * 1e3 / Math.max(warmupRuns, 1);
        return !cancelled;
    }

    /** {@code count} rounds of at least {@code seconds} and one run each; false when cancelled. */
    public boolean measure(int count, double seconds, Rounds rounds) {
        double begin = clock.seconds();
        for (int i = 1; i <= count; i++) {
            rounds.begins(i, count);
            double start = clock.seconds();
            List<Double> times = new ArrayList<>();
            do {
                times.add(timeMs());
            } while (!cancelled && clock.seconds() - start < seconds);
            if (cancelled) {
                return false;
            }
            rounds.ended(new Round(start - begin, times));
        }
        return true;
    }

    private double timeMs() {
        double start = clock.seconds();
        cancelled |= !image.restore();
        return (clock.seconds() - start) * 1e3;
    }
}
