package org.lpie.demo;

import android.content.Context;
import android.content.pm.PackageManager;
import android.graphics.Bitmap;
import android.util.Log;
import java.io.File;
import java.io.IOException;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Random;
import org.json.JSONException;
import org.json.JSONObject;
import org.lpie.demo.core.BenchmarkLoop;
import org.lpie.demo.core.BenchmarkRecord;
import org.lpie.demo.core.BenchmarkRequest;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.Plan;
import org.lpie.demo.core.RecordLines;
import org.lpie.demo.core.Restoration;
import org.lpie.demo.core.Size;

/** One benchmark, answered on the screen and in the log (docs/app-benchmark.md). */
final class BenchmarkWorker extends Worker<BenchmarkWorker.Report> {
    /** Between two lines of the log, which drops some otherwise. */
    private static final long LINE_MS = 10;

    /** The round that begins, 0 for the warm-up; at the end a record, a failure, or neither. */
    static final class Report {
        int round;
        int rounds;
        boolean ended;
        JSONObject record;
        String failure;
    }

    private final Context context;
    private final BenchmarkRequest request;

    BenchmarkWorker(Context context, BenchmarkRequest request) {
        this.context = context.getApplicationContext();
        this.request = request;
    }

    @Override
    public void run() {
        report(new Report());
        Report report = new Report();
        report.ended = true;
        try {
            report.record = measured();
            if (report.record == null) {
                report.failure = "Cancelled.";
            }
        } catch (InputException | IOException | JSONException | IllegalArgumentException
                | IllegalStateException error) { // the last two are what TFLite throws
            report.failure = String.valueOf(error.getMessage());
        } catch (OutOfMemoryError error) {
            report.failure = "Not enough memory for this size.";
        }
        answer(request.id, report.record, report.failure);
        report(report);
    }

    /** Writes the end of a run, `id`, to the log. */
    static void answer(String id, JSONObject record, String failure) {
        if (failure != null) {
            Log.i(OwnLog.TAG, "lpie-status " + id + " failed " + failure.replace('\n', ' '));
            return;
        }
        for (String line : RecordLines.of(id, record.toString())) {
            Log.i(OwnLog.TAG, line);
            android.os.SystemClock.sleep(LINE_MS);
        }
        Log.i(OwnLog.TAG, "lpie-status " + id + " done");
    }

    /** The record, or null when cancelled. */
    private JSONObject measured() throws InputException, IOException, JSONException {
        BenchmarkRecord record = new BenchmarkRecord(version(), now());
        double baselineMb = Device.residentMb();
        record.device(Device.facts(context));
        record.stateBefore(Device.state(context));
        ModelFile file = request.model.equals("asset") ? ModelFile.packaged(context)
                : ModelFile.at(new File(request.model));
        record.model(file.name, file.data.length, file.sha256, file.specJson);
        Size size = request.size != null ? request.size : file.spec.size;
        if (!size.roundedUp(file.spec.multiple).equals(size)) {
            throw new InputException("The size must be a multiple of " + file.spec.multiple
                    + " px. Received: " + size + ".");
        }
        Plan plan = Tiling.plan(file, size, request.tilePx);
        record.requested(request, size, plan, file.spec.haloPx == null ? 0 : file.spec.haloPx);
        try (ModelRunner runner = new ModelRunner(context, file, plan.tile, choice())) {
            record.executed(runner.executed);
            double initMb = Device.residentMb();
            if (!repeat(new Restoration(runner, plan), size, record)) {
                return null;
            }
            record.memory(baselineMb, initMb, Device.peakMb());
        }
        record.stateAfter(Device.state(context));
        return record.finished();
    }

    /** First run, warm-up and rounds; false when cancelled. */
    private boolean repeat(final Restoration restoration, Size size, final BenchmarkRecord record)
            throws JSONException {
        final int[] images = {0};
        final BitmapPhoto source = new BitmapPhoto(noise(size));
        final BitmapPhoto target = new BitmapPhoto(Bitmap.createBitmap(size.width, size.height,
                Bitmap.Config.ARGB_8888));
        BenchmarkLoop loop = new BenchmarkLoop(new BenchmarkLoop.Image() {
            @Override
            public boolean restore() {
                images[0]++;
                return restoration.run(source, target, progress());
            }
        }, new BenchmarkLoop.Clock() {
            @Override
            public double seconds() {
                return System.nanoTime() / 1e9;
            }
        });
        if (!loop.warmUp()) {
            return false;
        }
        record.warmUp(loop);
        images[0] = 0;
        restoration.times().copyNs = 0;
        restoration.times().runNs = 0;
        boolean whole = loop.measure(request.rounds, request.seconds, rounds(record));
        Restoration.Times times = restoration.times();
        record.parts(times.copyNs / 1e6 / images[0], times.runNs / 1e6 / images[0]);
        return whole;
    }

    private Restoration.Progress progress() {
        return new Restoration.Progress() {
            @Override
            public boolean tileDone(int done, int total) {
                return !isCancelled();
            }
        };
    }

    private BenchmarkLoop.Rounds rounds(final BenchmarkRecord record) {
        return new BenchmarkLoop.Rounds() {
            @Override
            public void begins(int round, int count) {
                Log.i(OwnLog.TAG, "lpie-progress " + request.id + " round " + round + "/" + count);
                Report report = new Report();
                report.round = round;
                report.rounds = count;
                report(report);
            }

            @Override
            public void ended(BenchmarkLoop.Round round) {
                try {
                    record.round(round, Device.state(context));
                } catch (JSONException impossible) { // only of numbers that are none
                    throw new IllegalStateException(impossible);
                }
            }
        };
    }

    private ModelRunner.Choice choice() {
        ModelRunner.Choice choice = new ModelRunner.Choice();
        choice.delegate = request.delegate;
        choice.threads = request.threads;
        choice.halfPrecision = request.halfPrecision;
        choice.accelerator = request.accelerator;
        return choice;
    }

    /** A picture of random pixels: the time of a convolution does not depend on them. */
    private static Bitmap noise(Size size) {
        Bitmap bitmap = Bitmap.createBitmap(size.width, size.height, Bitmap.Config.ARGB_8888);
        Random random = new Random(0);
        int[] row = new int[size.width];
        for (int y = 0; y < size.height; y++) {
            for (int x = 0; x < size.width; x++) {
                row[x] = random.nextInt() | 0xff000000;
            }
            bitmap.setPixels(row, 0, size.width, 0, y, size.width, 1);
        }
        return bitmap;
    }

    private String version() {
        try {
            return context.getPackageManager().getPackageInfo(context.getPackageName(), 0)
                    .versionName;
        } catch (PackageManager.NameNotFoundException impossible) { // it is this app
            throw new AssertionError(impossible);
        }
    }

    private static String now() {
        return OffsetDateTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS)
                .format(DateTimeFormatter.ISO_OFFSET_DATE_TIME);
    }
}
