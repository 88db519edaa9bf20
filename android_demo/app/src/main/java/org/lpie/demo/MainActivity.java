package org.lpie.demo;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.view.Menu;
import android.view.MenuItem;
import android.view.View;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.TextView;

/** Choose, take or receive a photo; restore, compare, save and share it. */
public final class MainActivity extends Activity implements View.OnClickListener {
    private static final int CHOSEN = 1;
    private static final int TAKEN = 2;
    private static final int PLACED = 3;
    private static final String URI = "uri";

    private Session session;
    private CompareView compare;
    private ChoiceView choice;
    private TextView status;
    private ProgressBar progress;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        compare = findViewById(R.id.compare);
        status = findViewById(R.id.status);
        progress = findViewById(R.id.progress);
        choice = new ChoiceView(this);
        for (int id : new int[] {R.id.choose, R.id.camera, R.id.restore, R.id.save, R.id.share}) {
            findViewById(id).setOnClickListener(this);
        }
        session = (Session) getLastNonConfigurationInstance();
        if (session != null) {
            listen();
        } else {
            begin(saved);
        }
        show();
    }

    /** The first start, or one after the system ended the app: then the photo is read again. */
    private void begin(Bundle saved) {
        session = new Session();
        Uri uri = saved != null ? (Uri) saved.getParcelable(URI) : Intents.shared(getIntent());
        if (uri != null) {
            read(uri);
        }
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        if (Intents.shared(intent) != null && !session.isBusy()) {
            read(Intents.shared(intent));
        }
    }

    @Override
    public Object onRetainNonConfigurationInstance() {
        return session;
    }

    @Override
    protected void onSaveInstanceState(Bundle state) {
        super.onSaveInstanceState(state);
        state.putParcelable(URI, session.uri);
    }

    @Override
    protected void onDestroy() {
        if (isFinishing() && session.restoring != null) {
            session.restoring.cancel();
        }
        hush();
        super.onDestroy();
    }

    @Override
    public boolean onCreateOptionsMenu(Menu menu) {
        getMenuInflater().inflate(R.menu.main, menu);
        return true;
    }

    @Override
    public boolean onOptionsItemSelected(MenuItem item) {
        if (item.getItemId() == R.id.benchmark) {
            startActivity(new Intent(this, BenchmarkActivity.class));
            return true;
        }
        return super.onOptionsItemSelected(item);
    }

    @Override
    public void onClick(View view) {
        int id = view.getId();
        if (id == R.id.choose) {
            ask(Intents.choose(), CHOSEN);
        } else if (id == R.id.camera) {
            ask(Intents.camera(this), TAKEN);
        } else if (id == R.id.restore) {
            restoreOrCancel();
        } else if (id == R.id.save && PhotoWriter.canAddToPictures()) {
            save(SaveWorker.Aim.PICTURES, null);
        } else if (id == R.id.save) {
            ask(Intents.place(), PLACED);
        } else if (id == R.id.share) {
            save(SaveWorker.Aim.SHARE, null);
        }
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result != RESULT_OK || session.isBusy()) {
            return;
        }
        if (request == TAKEN) {
            read(PhotoProvider.uri(this, Intents.taken(this)));
        } else if (data != null && data.getData() != null) {
            if (request == CHOSEN) {
                read(data.getData());
            } else if (session.restored != null) {
                save(SaveWorker.Aim.DOCUMENT, data.getData());
            }
        }
    }

    private void read(Uri uri) {
        session = new Session();
        session.uri = uri;
        session.status = getString(R.string.reading);
        session.reading = new ReadWorker(this, uri);
        session.reading.start(new Reports(this).reading);
        show();
    }

    private void restoreOrCancel() {
        if (session.restoring != null) {
            session.restoring.cancel();
            return;
        }
        session.restored = null;
        session.file = null;
        session.status = getString(R.string.preparing);
        session.restoring = new RestoreWorker(this, session.photo, choice.choice());
        showTiles(0, 1);
        session.restoring.start(new Reports(this).restoring);
        show();
    }

    private void save(SaveWorker.Aim aim, Uri document) {
        session.status = getString(R.string.saving);
        session.saving = new SaveWorker(this, session, aim, document);
        session.saving.start(new Reports(this).saving);
        show();
    }

    private void listen() {
        Reports reports = new Reports(this);
        if (session.reading != null) {
            session.reading.listen(reports.reading);
        }
        if (session.restoring != null) {
            session.restoring.listen(reports.restoring);
        }
        if (session.saving != null) {
            session.saving.listen(reports.saving);
        }
    }

    private void hush() {
        Worker<?>[] workers = {session.reading, session.restoring, session.saving};
        for (Worker<?> worker : workers) {
            if (worker != null) {
                worker.listen(null);
            }
        }
    }

    Session session() {
        return session;
    }

    /** Shows the session as it is now. */
    void show() {
        boolean busy = session.isBusy();
        boolean restoring = session.restoring != null;
        compare.show(session.photo, session.restored);
        // TalkBack is not to read every tile.
        status.setAccessibilityLiveRegion(restoring ? View.ACCESSIBILITY_LIVE_REGION_NONE
                : View.ACCESSIBILITY_LIVE_REGION_POLITE);
        status.setText(session.status != null ? session.status : getString(R.string.no_photo));
        progress.setVisibility(busy ? View.VISIBLE : View.GONE);
        progress.setIndeterminate(!restoring || progress.getProgress() == 0);
        Button restore = findViewById(R.id.restore);
        restore.setText(restoring ? R.string.cancel : R.string.restore);
        restore.setEnabled(restoring || session.photo != null && !busy);
        findViewById(R.id.choose).setEnabled(!busy);
        findViewById(R.id.camera).setEnabled(!busy);
        findViewById(R.id.save).setEnabled(session.restored != null && !busy);
        findViewById(R.id.share).setEnabled(session.restored != null && !busy);
        compare.setKeepScreenOn(restoring);
    }

    void showTiles(int done, int total) {
        progress.setMax(total);
        progress.setProgress(done);
    }

    private void ask(Intent intent, int request) {
        try {
            startActivityForResult(intent, request);
        } catch (ActivityNotFoundException none) {
            session.status = getString(R.string.no_app);
            show();
        }
    }
}
