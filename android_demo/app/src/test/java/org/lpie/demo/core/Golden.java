package org.lpie.demo.core;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.json.JSONArray;
import org.json.JSONObject;

/** The numbers of tests/golden, which Python tests hold lpie to. */
final class Golden {
    private Golden() {}

    static JSONArray array(String name) throws IOException {
        return new JSONArray(text(name));
    }

    static JSONObject object(String name) throws IOException {
        return new JSONObject(text(name));
    }

    static int[] ints(JSONArray array) {
        int[] values = new int[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getInt(i);
        }
        return values;
    }

    static double[] doubles(JSONArray array) {
        double[] values = new double[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getDouble(i);
        }
        return values;
    }

    static Size size(JSONArray array) {
        return new Size(array.getInt(0), array.getInt(1));
    }

    private static String text(String name) throws IOException {
        File file = new File(System.getProperty("golden"), name);
        return new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
    }
}
