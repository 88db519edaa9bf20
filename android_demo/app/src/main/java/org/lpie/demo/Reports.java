package org.lpie.demo;

import org.lpie.demo.core.Executed;

/** What the photo screen does with what its workers report. */
final class Reports {
    private final MainActivity screen;

    final Worker.Listener<ReadWorker.Report> reading =
            new Worker.Listener<ReadWorker.Report>() {
                @Override
                public void report(ReadWorker.Report report) {
                    read(report);
                }
            };
    final Worker.Listener<RestoreWorker.Report> restoring =
            new Worker.Listener<RestoreWorker.Report>() {
                @Override
                public void report(RestoreWorker.Report report) {
                    restored(report);
                }
            };
    final Worker.Listener<SaveWorker.Report> saving =
            new Worker.Listener<SaveWorker.Report>() {
                @Override
                public void report(SaveWorker.Report report) {
                    saved(report);
                }
            };

    Reports(MainActivity screen) {
        this.screen = screen;
    }

    private void read(ReadWorker.Report report) {
        Session session = screen.session();
        session.reading = null;
        session.photo = report.photo;
        if (report.failure != null) {
            session.status = screen.getString(R.string.failed, report.failure);
        } else if (report.photo != null) {
            session.status = screen.getString(R.string.ready, size(), report.spec.network,
                    report.spec.recipe);
        } else if (report.tooLarge != null) {
            session.status = screen.getString(R.string.no_memory, report.tooLarge);
        } else {
            session.status = screen.getString(R.string.not_readable);
        }
        screen.show();
    }

    private void restored(RestoreWorker.Report report) {
        Session session = screen.session();
        if (report.ended) {
            session.restoring = null;
        }
        screen.showTiles(report.done, report.total);
        session.status = status(report);
        session.restored = report.restored;
        screen.show();
    }

    private String status(RestoreWorker.Report report) {
        if (report.outOfMemory) {
            return screen.getString(R.string.no_memory, size());
        }
        if (report.failure != null) {
            return screen.getString(R.string.failed, report.failure);
        }
        if (!report.ended) {
            return report.total == 0 ? screen.getString(R.string.preparing)
                    : screen.getString(R.string.tile_progress, report.done, report.total);
        }
        if (report.restored == null) {
            return screen.getString(R.string.cancelled);
        }
        Executed executed = report.executed;
        StringBuilder text = new StringBuilder(screen.getString(R.string.restored, report.seconds,
                report.networkSeconds, ChoiceView.name(screen, executed.delegate)));
        for (String reason : executed.reasons) {
            text.append('\n').append(screen.getString(R.string.fell_back, reason));
        }
        return text.toString();
    }

    private String size() {
        return screen.session().photo.getWidth() + " × " + screen.session().photo.getHeight();
    }

    private void saved(SaveWorker.Report report) {
        Session session = screen.session();
        session.saving = null;
        session.file = report.file;
        if (report.failure != null) {
            session.status = screen.getString(R.string.failed, report.failure);
        } else if (report.aim == SaveWorker.Aim.SHARE) {
            session.status = null;
            screen.startActivity(Intents.share(screen, report.file));
        } else {
            session.status = screen.getString(R.string.saved);
        }
        screen.show();
    }
}
