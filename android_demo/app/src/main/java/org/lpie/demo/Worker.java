package org.lpie.demo;

import android.os.Handler;
import android.os.Looper;

/**
 * Work on a thread of its own that outlives a rotation: it reports to whoever listens now, on the
 * main thread, and the last report waits for a new listener.
 */
abstract class Worker<R> implements Runnable {
    /** Told on the main thread. */
    interface Listener<R> {
        void report(R report);
    }

    private final Handler main = new Handler(Looper.getMainLooper());
    private Listener<R> listener;
    private R last;
    private volatile boolean cancelled;

    /** Starts the work; {@code listener} hears of it until {@link #listen} names another. */
    final void start(Listener<R> listener) {
        this.listener = listener;
        new Thread(this, getClass().getSimpleName()).start();
    }

    /** Tells {@code listener} from now on, at once the last report; null for nobody. */
    final void listen(Listener<R> listener) {
        this.listener = listener;
        if (listener != null && last != null) {
            listener.report(last);
        }
    }

    final void cancel() {
        cancelled = true;
    }

    final boolean isCancelled() {
        return cancelled;
    }

    /** Reports from the worker's thread. */
    protected final void report(final R report) {
        main.post(new Runnable() {
            @Override
            public void run() {
                last = report;
                if (listener != null) {
                    listener.report(report);
                }
            }
        });
    }
}
