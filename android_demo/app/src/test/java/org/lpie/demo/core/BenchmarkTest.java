package org.lpie.demo.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

public final class BenchmarkTest {
    @Test
    public void statisticsAreThoseOfLpie() throws IOException {
        JSONArray cases = Golden.array("statistics.json");
        for (int i = 0; i < cases.length(); i++) {
            JSONObject each = cases.getJSONObject(i);
            JSONArray times = each.getJSONArray("times_ms");
            double[] sample = new double[times.length()];
            for (int n = 0; n < sample.length; n++) {
                sample[n] = times.getDouble(n);
            }
            JSONObject found = new JSONObject();
            new Statistics(sample).describe(found);
            found.put("spread_ms", new Statistics(sample).spread());
            for (String key : found.keySet()) {
                assertEquals(key, each.getDouble(key), found.getDouble(key), 1e-9);
            }
        }
    }

    @Test
    public void roundsLastAsLongAsAsked() {
        final double[] clock = {0};
        final List<BenchmarkLoop.Round> rounds = new ArrayList<>();
        BenchmarkLoop loop = loop(clock, 1000);
        assertTrue(loop.warmUp());
        assertEquals(250, loop.firstMs, 1e-6);
        assertEquals(4, loop.warmupRuns);
        assertTrue(loop.measure(3, 0.6, collect(rounds)));
        assertEquals(3, rounds.size());
        assertEquals(3, rounds.get(1).timesMs.length);
        assertEquals(0.75, rounds.get(1).atS, 1e-9);
    }

    @Test
    public void aCancelledLoopSaysSo() {
        assertFalse(loop(new double[] {0}, 2).warmUp());
        BenchmarkLoop loop = loop(new double[] {0}, 7);
        assertTrue(loop.warmUp());
        assertFalse(loop.measure(3, 0.6, collect(new ArrayList<BenchmarkLoop.Round>())));
    }

    @Test
    public void requestsAreCheckedAtTheDoor() throws InputException {
        BenchmarkRequest plain = BenchmarkRequest.parse(Collections.<String, String>emptyMap());
        assertEquals(Delegate.GPU, plain.delegate);
        assertEquals(5, plain.rounds);
        assertEquals(new Size(1080, 1920), parsed("size", "1920x1080").size);
        String[][] wrong = {{"size", "1920"}, {"threads", "0"}, {"threads", "four"},
            {"delegate", "tpu"}, {"model", "../m.tflite"}, {"id", "a b"}, {"colour", "red"},
            {"rounds", "101"}, {"precision", "int8"}, {"seconds", "-1"}};
        for (final String[] each : wrong) {
            InputException error = assertThrows(each[0], InputException.class,
                    new org.junit.function.ThrowingRunnable() {
                        @Override
                        public void run() throws InputException {
                            parsed(each[0], each[1]);
                        }
                    });
            assertTrue(error.getMessage().contains(each[0]));
        }
        assertEquals("lpie", BenchmarkRequest.idOf(Collections.singletonMap("id", "a b")));
    }

    /** tests/device/test_android.py checks the file that this writes against the schema. */
    @Test
    public void aRecordTellsWhatFellBack() throws IOException, InputException {
        JSONObject record = record(Delegate.GPU, 0, 1000);
        assertEquals("valid", record.getString("verdict"));
        assertEquals(100, record.getJSONObject("summary").getDouble("median_ms"), 1e-9);
        Files.write(new File(System.getProperty("out"), "record.json").toPath(),
                record.toString(1).getBytes(StandardCharsets.UTF_8));
        assertEquals("throttled", record(Delegate.GPU, 2, 1000).getString("verdict"));
        assertEquals("unstable", record(Delegate.GPU, 0, 1).getString("verdict"));
        JSONObject slower = record(Delegate.GPU, 0, 1000, 1.3);
        assertEquals("unstable", slower.getString("verdict"));
        assertEquals("The rounds took 100 to 130 ms: the slowest is 1.3 times the fastest, "
                + "more than 1.25.", slower.getString("why"));
        JSONArray cases = Golden.array("verdicts.json");
        for (int i = 0; i < cases.length(); i++) {
            JSONObject wanted = cases.getJSONObject(i);
            JSONArray rounds = wanted.getJSONArray("rounds");
            double[][] times = new double[rounds.length()][];
            for (int k = 0; k < times.length; k++) {
                times[k] = Golden.doubles(rounds.getJSONArray(k));
            }
            JSONObject judged = record(Delegate.GPU, 0, times);
            assertEquals(wanted.getString("verdict"), judged.getString("verdict"));
            assertEquals(wanted.getString("why"), judged.getString("why"));
        }
        JSONObject fallen = record(Delegate.XNNPACK, 0, 1000);
        assertEquals("fell_back", fallen.getString("verdict"));
        assertTrue(fallen.getString("why").contains("No OpenCL"));
    }

    @Test
    public void linesOfTheLogHoldTheWholeRecord() {
        StringBuilder text = new StringBuilder("ä");
        for (int i = 0; i < 5000; i++) {
            text.append(i);
        }
        StringBuilder parts = new StringBuilder();
        List<String> lines = RecordLines.of("a1", text.toString());
        for (int i = 0; i < lines.size(); i++) {
            String head = "lpie-record a1 " + (i + 1) + "/" + lines.size() + " ";
            assertTrue(lines.get(i).startsWith(head) && lines.get(i).length() < 4000);
            parts.append(lines.get(i).substring(head.length()));
        }
        assertEquals(text.toString(), new String(
                Base64.getDecoder().decode(parts.toString()), StandardCharsets.UTF_8));
    }

    @Test
    public void theLogTellsWhatADelegateTook() {
        String log = "I/tflite: Replacing 9 out of 9 node(s) with delegate (TfLiteGpuDelegateV2)"
                + " node, yielding 1 partitions for the whole graph.\nI/lpie: mark\n"
                + "I/tflite: Replacing 120 out of 125 node(s) with delegate (TfLiteGpuDelegateV2)"
                + " node, yielding 3 partitions for the whole graph.\n"
                + "I/tflite: Replacing 5 node(s) with delegate (TfLiteXNNPackDelegate) node,"
                + " yielding 2 partitions.\n";
        DelegateLog gpu = DelegateLog.read(log, "mark", Delegate.GPU.logged);
        assertEquals(120, (int) gpu.taken);
        assertEquals(3, (int) gpu.partitions);
        assertEquals(5, (int) DelegateLog.read(log, "mark", Delegate.XNNPACK.logged).taken);
        assertEquals(0, (int) DelegateLog.read(log, "mark", Delegate.NNAPI.logged).taken);
        assertEquals(null, DelegateLog.read(log, "absent", Delegate.GPU.logged).taken);
    }

    private static JSONObject record(Delegate ran, int thermalStatus, double steadyMs)
            throws IOException, InputException {
        return record(ran, thermalStatus, steadyMs, 1);
    }

    /** @param last how many times as long the last round takes as the others */
    private static JSONObject record(Delegate ran, int thermalStatus, double steadyMs, double last)
            throws IOException, InputException {
        double[] times = {100, 100 - 40 / steadyMs, 100 + 40 / steadyMs};
        double[] slower = new double[times.length];
        for (int i = 0; i < times.length; i++) {
            slower[i] = last * times[i];
        }
        return record(ran, thermalStatus, new double[][] {times, times, slower});
    }

    private static JSONObject record(Delegate ran, int thermalStatus, double[][] rounds)
            throws IOException, InputException {
        BenchmarkRequest request = parsed("size", "1920x1080");
        String spec = new ModelGraph(Files.readAllBytes(new File(System.getProperty("models"),
                "denoise.tflite").toPath())).note();
        Plan plan = Plan.of(ModelSpec.fromJson(spec), request.size, true, request.tilePx);
        Executed executed = new Executed();
        executed.delegate = ran;
        executed.nodesTotal = 125;
        executed.nodesDelegated = 125;
        executed.partitions = 1;
        if (ran != request.delegate) {
            executed.reasons.add("gpu: No OpenCL.");
        }
        BenchmarkRecord record = new BenchmarkRecord("0.1.0", "2026-11-28T15:00:00Z");
        record.device(new JSONObject().put("model", "a phone").put("sdk", 34));
        record.model("model.tflite", 671856, Digest.sha256(new byte[0]), spec);
        record.requested(request, request.size, plan, 80);
        record.executed(executed);
        record.stateBefore(state(0));
        BenchmarkLoop loop = loop(new double[] {0}, 1000);
        loop.warmUp();
        record.warmUp(loop);
        for (int i = 0; i < rounds.length; i++) {
            List<Double> list = new ArrayList<>();
            for (double time : rounds[i]) {
                list.add(time);
            }
            record.round(new BenchmarkLoop.Round(i, list), state(thermalStatus));
        }
        record.parts(12, 88);
        record.memory(50, 80, 200);
        record.stateAfter(state(thermalStatus));
        return record.finished();
    }

    private static JSONObject state(int thermalStatus) {
        return new JSONObject().put("thermal_status", thermalStatus)
                .put("temperatures_c", new JSONObject()).put("battery", JSONObject.NULL)
                .put("frequencies_mhz", new JSONObject());
    }

    private static BenchmarkRequest parsed(String name, String value) throws InputException {
        Map<String, String> extras = new HashMap<>();
        extras.put(name, value);
        return BenchmarkRequest.parse(extras);
    }

    /** A loop whose every image takes 250 ms, the {@code last} one being cancelled. */
    private static BenchmarkLoop loop(final double[] clock, final int last) {
        return new BenchmarkLoop(new BenchmarkLoop.Image() {
            private int images;

            @Override
            public boolean restore() {
                clock[0] += 0.25;
                return ++images < last;
            }
        }, new BenchmarkLoop.Clock() {
            @Override
            public double seconds() {
                return clock[0];
            }
        });
    }

    private static BenchmarkLoop.Rounds collect(final List<BenchmarkLoop.Round> rounds) {
        return new BenchmarkLoop.Rounds() {
            @Override
            public void begins(int round, int count) {}

            @Override
            public void ended(BenchmarkLoop.Round round) {
                rounds.add(round);
            }
        };
    }
}
