package org.lpie.demo;

import android.app.Activity;
import android.content.Context;
import android.content.SharedPreferences;
import android.widget.ArrayAdapter;
import android.widget.Spinner;
import java.util.ArrayList;
import java.util.List;
import org.lpie.demo.core.Delegate;

/** The two spinners that say where the model runs; the choice is remembered. */
final class ChoiceView {
    private static final Delegate[] DELEGATES =
            {Delegate.GPU, Delegate.NNAPI, Delegate.XNNPACK, Delegate.CPU};
    private static final int[] NAMES =
            {R.string.on_gpu, R.string.on_nnapi, R.string.on_xnnpack, R.string.on_cpu};

    private final SharedPreferences stored;
    private final Spinner delegates;
    private final Spinner threads;

    /** The spinners in {@code activity}, set to what was chosen last. */
    ChoiceView(Activity activity) {
        stored = activity.getSharedPreferences("choice", Context.MODE_PRIVATE);
        delegates = activity.findViewById(R.id.delegate);
        threads = activity.findViewById(R.id.threads);
        fill(delegates, names(activity));
        fill(threads, counts(activity));
        delegates.setSelection(stored.getInt("delegate", 0));
        threads.setSelection(stored.getInt("threads", Math.min(cores(), 4)) - 1);
    }

    /** What is chosen now. */
    ModelRunner.Choice choice() {
        ModelRunner.Choice choice = new ModelRunner.Choice();
        choice.delegate = DELEGATES[delegates.getSelectedItemPosition()];
        choice.threads = threads.getSelectedItemPosition() + 1;
        stored.edit().putInt("delegate", delegates.getSelectedItemPosition())
                .putInt("threads", choice.threads).apply();
        return choice;
    }

    /** What users call {@code delegate}. */
    static String name(Context context, Delegate delegate) {
        for (int i = 0; i < DELEGATES.length; i++) {
            if (DELEGATES[i] == delegate) {
                return context.getString(NAMES[i]);
            }
        }
        throw new AssertionError(delegate);
    }

    /** Shows {@code items} in {@code spinner}. */
    static void fill(Spinner spinner, List<String> items) {
        ArrayAdapter<String> adapter = new ArrayAdapter<>(spinner.getContext(),
                android.R.layout.simple_spinner_item, items);
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item);
        spinner.setAdapter(adapter);
    }

    private static List<String> names(Context context) {
        List<String> names = new ArrayList<>();
        for (int name : NAMES) {
            names.add(context.getString(name));
        }
        return names;
    }

    private static List<String> counts(Context context) {
        List<String> counts = new ArrayList<>();
        for (int i = 1; i <= cores(); i++) {
            counts.add(context.getResources().getQuantityString(R.plurals.threads, i, i));
        }
        return counts;
    }

    private static int cores() {
        return Math.min(Runtime.getRuntime().availableProcessors(), 16);
    }
}
