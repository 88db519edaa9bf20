package org.lpie.demo;

import android.content.Context;
import org.json.JSONException;
import org.json.JSONObject;
import org.lpie.demo.core.Delegate;

/** A record in the user's words. */
final class ResultText {
    private final Context context;

    ResultText(Context context) {
        this.context = context;
    }

    /** Some lines about {@code record}. */
    String of(JSONObject record) {
        try {
            return text(record);
        } catch (JSONException impossible) { // the app wrote it a moment ago
            throw new AssertionError(impossible);
        }
    }

    private String text(JSONObject record) throws JSONException {
        JSONObject summary = record.getJSONObject("summary");
        JSONObject parts = summary.getJSONObject("parts_ms");
        JSONObject requested = record.getJSONObject("requested");
        String delegate = record.getJSONObject("executed").getString("delegate");
        JSONObject after = record.getJSONObject("state").getJSONObject("after");
        return context.getString(R.string.result,
                record.getString("verdict"), record.getString("why"),
                summary.getDouble("median_ms"), summary.getDouble("p90_ms"),
                parts.getDouble("inference"), parts.getDouble("copies"),
                summary.getDouble("init_ms"), summary.getDouble("first_ms"),
                ChoiceView.name(context, Delegate.named(delegate)), tiles(requested),
                record.getJSONObject("memory").getDouble("peak_mb"),
                after.isNull("thermal_status") ? "?" : after.getString("thermal_status"));
    }

    private String tiles(JSONObject requested) throws JSONException {
        if (requested.isNull("tiles")) {
            return requested.getString("size") + " px";
        }
        JSONObject tiles = requested.getJSONObject("tiles");
        return context.getString(R.string.tiles, tiles.getInt("count"), tiles.getString("tile"));
    }
}
