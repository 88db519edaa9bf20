package org.lpie.demo;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.IOException;
import org.lpie.demo.core.Delegate;
import org.lpie.demo.core.Executed;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.Plan;
import org.lpie.demo.core.Restoration;

/** Restores one photo. */
final class RestoreWorker extends Worker<RestoreWorker.Report> {
    /** How far it is: preparing while there is no tile yet. */
    static final class Report {
        int done;
        int total;
        boolean ended;
        Bitmap restored;
        Executed executed;
        double seconds;
        double networkSeconds;
        /** What went wrong, a sentence, or null. */
        String failure;
        boolean outOfMemory;
    }

    private final Context context;
    private final Bitmap source;
    private final ModelRunner.Choice choice;

    RestoreWorker(Context context, Bitmap source, ModelRunner.Choice choice) {
        this.context = context.getApplicationContext();
        this.source = source;
        this.choice = choice;
    }

    @Override
    public void run() {
        report(new Report());
        Report result = new Report();
        try {
            restore(result);
        } catch (InputException | IOException | IllegalArgumentException
                | IllegalStateException error) { // the last two are what TFLite throws
            result.failure = error.getMessage();
        } catch (OutOfMemoryError error) {
            result.outOfMemory = true;
        }
        result.ended = true;
        report(result);
    }

    /** On the delegate that was chosen; where a run of it fails, from the start on XNNPACK. */
    private void restore(Report result) throws InputException, IOException {
        ModelFile file = ModelFile.packaged(context);
        BitmapPhoto photo = new BitmapPhoto(source);
        Plan plan = Tiling.plan(context, file, photo.size());
        long start = System.nanoTime();
        try {
            restore(result, file, photo, plan);
        } catch (IllegalArgumentException | IllegalStateException error) {
            Executed failed = result.executed;
            if (failed == null || failed.delegate == Delegate.XNNPACK) {
                throw error;
            }
            choice.delegate = Delegate.XNNPACK;
            restore(result, file, photo, plan);
            result.executed.reasons.add(failed.delegate.recordName() + ": " + error.getMessage());
        }
        result.seconds = (System.nanoTime() - start) / 1e9;
    }

    private void restore(Report result, ModelFile file, BitmapPhoto photo, Plan plan)
            throws InputException {
        Bitmap target = BitmapPhoto.emptyLike(source);
        try (ModelRunner runner = new ModelRunner(context, file, plan.tile, choice)) {
            result.executed = runner.executed;
            Restoration restoration = new Restoration(runner, plan);
            boolean whole = restoration.run(photo, new BitmapPhoto(target), progress());
            result.restored = whole ? target : null;
            result.networkSeconds = restoration.times().runNs / 1e9;
        }
    }

    private Restoration.Progress progress() {
        return new Restoration.Progress() {
            @Override
            public boolean tileDone(int done, int total) {
                Report report = new Report();
                report.done = done;
                report.total = total;
                report(report);
                return !isCancelled();
            }
        };
    }
}
