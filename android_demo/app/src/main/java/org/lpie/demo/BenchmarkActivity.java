package org.lpie.demo;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.view.View;
import android.view.WindowManager;
import android.widget.Button;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONException;
import org.json.JSONObject;
import org.lpie.demo.core.BenchmarkRequest;
import org.lpie.demo.core.InputException;

/** Measures one image size, on demand of a user or, over adb, of `lpie bench`. */
public final class BenchmarkActivity extends Activity
        implements View.OnClickListener, Worker.Listener<BenchmarkWorker.Report> {
    private static final String[] SIZES = {"1920x1080", "3840x2160"};

    private ChoiceView choice;
    private Spinner sizes;
    private TextView status;
    private BenchmarkWorker worker;
    private boolean running;
    private JSONObject record;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.benchmark);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        choice = new ChoiceView(this);
        sizes = findViewById(R.id.size);
        status = findViewById(R.id.status);
        ChoiceView.fill(sizes, Arrays.asList(getString(R.string.full_hd),
                getString(R.string.four_k)));
        findViewById(R.id.start).setOnClickListener(this);
        findViewById(R.id.share).setOnClickListener(this);
        worker = (BenchmarkWorker) getLastNonConfigurationInstance();
        if (worker != null) {
            running = true; // until a report says that it ended
            worker.listen(this);
        } else if (saved == null && getIntent().getExtras() != null) {
            begin(extras(getIntent().getExtras()));
        }
        show();
    }

    @Override
    public Object onRetainNonConfigurationInstance() {
        return worker;
    }

    @Override
    protected void onDestroy() {
        if (worker != null) {
            worker.listen(null);
            if (isFinishing()) {
                worker.cancel();
            }
        }
        super.onDestroy();
    }

    @Override
    public void onClick(View view) {
        if (view.getId() == R.id.share) {
            share();
        } else if (running) {
            worker.cancel();
        } else {
            ModelRunner.Choice chosen = choice.choice();
            Map<String, String> extras = new HashMap<>();
            extras.put("size", SIZES[sizes.getSelectedItemPosition()]);
            extras.put("delegate", chosen.delegate.recordName());
            extras.put("threads", String.valueOf(chosen.threads));
            begin(extras);
        }
    }

    @Override
    public void report(BenchmarkWorker.Report report) {
        record = report.record;
        running = !report.ended;
        if (report.failure != null) {
            status.setText(getString(R.string.failed, report.failure));
        } else if (report.record != null) {
            status.setText(new ResultText(this).of(report.record));
        } else if (report.round == 0) {
            status.setText(R.string.warming_up);
        } else {
            status.setText(getString(R.string.round, report.round, report.rounds));
        }
        show();
    }

    private void begin(Map<String, String> extras) {
        try {
            worker = new BenchmarkWorker(this, BenchmarkRequest.parse(extras));
            record = null;
            running = true;
            worker.start(this);
        } catch (InputException error) {
            BenchmarkWorker.answer(BenchmarkRequest.idOf(extras), null, error.getMessage());
            status.setText(getString(R.string.failed, error.getMessage()));
        }
        show();
    }

    private void show() {
        ((Button) findViewById(R.id.start)).setText(running ? R.string.cancel : R.string.start);
        findViewById(R.id.share).setVisibility(record != null ? View.VISIBLE : View.GONE);
    }

    private void share() {
        try {
            Intent send = new Intent(Intent.ACTION_SEND).setType("text/plain")
                    .putExtra(Intent.EXTRA_TEXT, record.toString(2));
            startActivity(Intent.createChooser(send, getString(R.string.share_record)));
        } catch (JSONException impossible) { // it was a string before
            throw new AssertionError(impossible);
        }
    }

    private static Map<String, String> extras(Bundle bundle) {
        Map<String, String> extras = new HashMap<>();
        for (String name : bundle.keySet()) {
            extras.put(name, bundle.getString(name, ""));
        }
        return extras;
    }
}
