package org.lpie.demo.core;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** A benchmark as the record of `lpie bench`: benchmarks/records/record.schema.json. Unknown is null. */
public final class BenchmarkRecord {
    private static final String SCHEMA = "lpie-bench/1";
    /** Above these the numbers do not count; lpie.benchmarks.records.verdict has the same. */
    private static final int THERMAL_STATUS = 1;
    private static final double DEVIATION = 0.25;
    private static final double SPREAD = 1.25;
    private static final int LEAST_ROUNDS = 3;
    /** Times the median deviation: the standard deviation, where the distribution is normal. */
    private static final double NORMAL = 1.4826;

    private final JSONObject table = new JSONObject();
    private final JSONArray rounds = new JSONArray();
    private final List<double[]> times = new ArrayList<>();
    private final JSONObject summary = blank("count", "median_ms", "mean_ms", "min_ms", "max_ms",
            "std_ms", "p5_ms", "p90_ms", "p95_ms", "p99_ms", "spread_ms", "interval_ms", "init_ms",
            "first_ms", "warmup_ms", "warmup_runs", "throttling");
    private final List<Integer> statuses = new ArrayList<>();

    /** A record of an app of {@code version}, begun at {@code started} (ISO 8601 with offset). */
    public BenchmarkRecord(String version, String started) throws JSONException {
        table.put("schema", SCHEMA).put("lpie", version).put("started", started);
        for (String name : new String[] {"run", "quality", "profile"}) {
            table.put(name, JSONObject.NULL);
        }
        table.put("runner", blank("binary_sha256").put("name", "app").put("version", version)
                .put("flags", new JSONArray()));
        table.put("state", blank("before", "after")).put("rounds", rounds).put("summary", summary);
        table.put("energy", blank("joules").put("unavailable", "The app measures no energy."));
        table.put("log", blank("text", "file"));
    }

    public void model(String file, long bytes, String sha256, String spec) throws JSONException {
        table.put("model", new JSONObject().put("file", file).put("bytes", bytes)
                .put("sha256", sha256).put("spec", new JSONObject(spec)));
    }

    /** {@code fields}: those of the schema that Android tells. */
    public void device(JSONObject fields) throws JSONException {
        table.put("device", merged(blank("serial", "manufacturer", "model", "soc", "abi", "android",
                "sdk", "fingerprint", "cpu", "cores", "memory_mb", "system"), fields));
    }

    public void requested(BenchmarkRequest request, Size image, Plan plan, int haloPx)
            throws JSONException {
        boolean whole = plan.tiles.size() == 1;
        Object accelerator = request.accelerator.isEmpty() ? JSONObject.NULL : request.accelerator;
        JSONObject tiles = new JSONObject().put("tile", plan.tile.toString())
                .put("count", plan.tiles.size()).put("halo_px", haloPx);
        table.put("requested", blank("min_runs")
                .put("delegate", request.delegate.recordName())
                .put("accelerator", accelerator)
                .put("precision", request.halfPrecision ? "fp16" : "fp32")
                .put("threads", request.threads)
                .put("size", image.toString())
                .put("mode", whole ? "whole" : "tiles")
                .put("tiles", whole ? JSONObject.NULL : tiles)
                .put("seconds", request.seconds)
                .put("rounds", request.rounds));
    }

    public void executed(Executed executed) throws JSONException {
        table.put("executed", new JSONObject()
                .put("delegate", executed.delegate.recordName())
                .put("full", orNull(executed.isFull()))
                .put("nodes_total", executed.nodesTotal)
                .put("nodes_delegated", orNull(executed.nodesDelegated))
                .put("partitions", orNull(executed.partitions))
                .put("reasons", new JSONArray(executed.reasons)));
        summary.put("init_ms", executed.initMs);
    }

    public void round(BenchmarkLoop.Round round, JSONObject state) throws JSONException {
        JSONObject entry = new JSONObject().put("at_s", round.atS)
                .put("times_ms", new JSONArray(round.timesMs)).put("state", state);
        new Statistics(round.timesMs).describe(entry);
        rounds.put(entry);
        times.add(round.timesMs);
        seen(state);
    }

    public void warmUp(BenchmarkLoop loop) throws JSONException {
        summary.put("first_ms", loop.firstMs).put("warmup_ms", loop.warmupMs)
                .put("warmup_runs", loop.warmupRuns);
    }

    /** What one image's time consists of (ms, means). */
    public void parts(double copyMs, double inferenceMs) throws JSONException {
        summary.put("parts_ms", new JSONObject().put("copies", copyMs)
                .put("inference", inferenceMs));
    }

    public void memory(double baselineMb, double initMb, double peakMb) throws JSONException {
        table.put("memory", blank("gpu_mb", "estimated_mb").put("baseline_mb", baselineMb)
                .put("init_mb", Math.max(initMb - baselineMb, 0))
                .put("overall_mb", Math.max(peakMb - baselineMb, 0)).put("peak_mb", peakMb));
    }

    public void stateBefore(JSONObject state) throws JSONException {
        table.getJSONObject("state").put("before", state);
        seen(state);
    }

    public void stateAfter(JSONObject state) throws JSONException {
        table.getJSONObject("state").put("after", state);
        seen(state);
    }

    /** The whole record, judged. */
    public JSONObject finished() throws JSONException {
        Statistics all = new Statistics(joined());
        all.describe(summary);
        summary.put("spread_ms", all.spread());
        String why = fellBack();
        String verdict = "fell_back";
        if (why.isEmpty()) {
            why = throttled();
            verdict = "throttled";
        }
        if (why.isEmpty()) {
            why = unstable();
            verdict = "unstable";
        }
        if (why.isEmpty() && times.size() < LEAST_ROUNDS) {
            why = "Rounds: " + times.size() + ". " + LEAST_ROUNDS
                    + " are the least that show how much the times vary.";
            verdict = "too_few";
        }
        return table.put("verdict", why.isEmpty() ? "valid" : verdict).put("why", why);
    }

    private String fellBack() throws JSONException {
        String asked = table.getJSONObject("requested").getString("delegate");
        JSONObject executed = table.getJSONObject("executed");
        String ran = executed.getString("delegate");
        if (asked.equals(ran)) {
            return "";
        }
        return "Asked for " + asked + "; the graph ran on " + ran + ". "
                + executed.getJSONArray("reasons").optString(0);
    }

    private String throttled() {
        int most = -1;
        for (int status : statuses) {
            most = Math.max(most, status);
        }
        if (most > THERMAL_STATUS) {
            return "The thermal status reached " + most + ".";
        }
        boolean rose = !statuses.isEmpty() && most > statuses.get(0);
        return rose ? "The thermal status rose from " + statuses.get(0) + " to " + most + "." : "";
    }

    private String unstable() {
        double[] shares = new double[times.size()];
        double least = Double.POSITIVE_INFINITY;
        double most = 0;
        for (int i = 0; i < shares.length; i++) {
            Statistics round = new Statistics(times.get(i));
            shares[i] = NORMAL * round.spread() / Math.max(round.median(), 1e-9);
            least = Math.min(least, round.median());
            most = Math.max(most, round.median());
        }
        if (least > 0 && most > SPREAD * least) {
            return "The rounds took " + digits(least, 4) + " to " + digits(most, 4)
                    + " ms: the slowest is " + digits(most / least, 3)
                    + " times the fastest, more than " + SPREAD + ".";
        }
        double share = new Statistics(shares).median();
        return share <= DEVIATION ? "" : "The runs of a round deviate by " + Math.round(share * 100)
                + "% of their middle, more than " + Math.round(DEVIATION * 100) + "%.";
    }

    /** A number with so many digits, without zeros at its end. */
    private static String digits(double number, int count) {
        return new BigDecimal(number).round(new MathContext(count, RoundingMode.HALF_EVEN))
                .stripTrailingZeros().toPlainString();
    }

    private void seen(JSONObject state) {
        if (state.has("thermal_status") && !state.isNull("thermal_status")) {
            statuses.add(state.optInt("thermal_status"));
        }
    }

    private double[] joined() {
        int count = 0;
        for (double[] each : times) {
            count += each.length;
        }
        double[] joined = new double[count];
        int at = 0;
        for (double[] each : times) {
            System.arraycopy(each, 0, joined, at, each.length);
            at += each.length;
        }
        return joined;
    }

    private static JSONObject blank(String... names) {
        return merged(new JSONObject(), names);
    }

    private static JSONObject merged(JSONObject table, String... names) {
        try {
            for (String name : names) {
                table.put(name, JSONObject.NULL);
            }
            return table;
        } catch (JSONException impossible) { // only of a null name
            throw new AssertionError(impossible);
        }
    }

    private static JSONObject merged(JSONObject table, JSONObject more) throws JSONException {
        for (java.util.Iterator<String> names = more.keys(); names.hasNext(); ) {
            String name = names.next();
            table.put(name, more.get(name));
        }
        return table;
    }

    private static Object orNull(Object value) {
        return value == null ? JSONObject.NULL : value;
    }
}
