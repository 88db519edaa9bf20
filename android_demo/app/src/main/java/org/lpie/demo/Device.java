package org.lpie.demo;

import android.app.ActivityManager;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.BatteryManager;
import android.os.Build;
import android.os.PowerManager;
import java.io.BufferedReader;
import java.io.FileReader;
import java.io.IOException;
import org.json.JSONException;
import org.json.JSONObject;

/** What Android tells of the phone and its state, in the words of a record's schema. */
final class Device {
    private Device() {}

    /** The schema's `device`, as much of it as an app may know. */
    static JSONObject facts(Context context) throws JSONException {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        context.getSystemService(ActivityManager.class).getMemoryInfo(memory);
        JSONObject facts = new JSONObject()
                .put("manufacturer", Build.MANUFACTURER)
                .put("model", Build.MODEL)
                .put("abi", Build.SUPPORTED_ABIS[0])
                .put("android", Build.VERSION.RELEASE)
                .put("sdk", Build.VERSION.SDK_INT)
                .put("fingerprint", Build.FINGERPRINT)
                .put("cpu", Build.HARDWARE)
                .put("cores", Runtime.getRuntime().availableProcessors())
                .put("memory_mb", memory.totalMem / 1e6)
                .put("system", "Android");
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            facts.put("soc", Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL);
        }
        return facts;
    }

    /** The schema's `state`. */
    static JSONObject state(Context context) throws JSONException {
        PowerManager power = context.getSystemService(PowerManager.class);
        JSONObject state = new JSONObject().put("thermal_status", JSONObject.NULL)
                .put("temperatures_c", new JSONObject())
                .put("battery", JSONObject.NULL)
                .put("frequencies_mhz", new JSONObject());
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            state.put("thermal_status", power.getCurrentThermalStatus());
        }
        IntentFilter changes = new IntentFilter(Intent.ACTION_BATTERY_CHANGED);
        Intent battery = context.registerReceiver(null, changes);
        if (battery != null) {
            state.put("battery", battery(battery, power.isPowerSaveMode()));
        }
        return state;
    }

    private static JSONObject battery(Intent battery, boolean saver) throws JSONException {
        int level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, 0);
        int most = Math.max(battery.getIntExtra(BatteryManager.EXTRA_SCALE, 100), 1);
        return new JSONObject()
                .put("level_percent", 100.0 * level / most)
                .put("temperature_c",
                        battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, 0) / 10.0)
                .put("voltage_mv", battery.getIntExtra(BatteryManager.EXTRA_VOLTAGE, 0))
                .put("charging", battery.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) != 0)
                .put("low_power", saver);
    }

    /** What this process has in memory now (10^6 bytes). */
    static double residentMb() throws IOException {
        return statusMb("VmRSS:");
    }

    /** The most that this process ever had in memory (10^6 bytes). */
    static double peakMb() throws IOException {
        return statusMb("VmHWM:");
    }

    private static double statusMb(String name) throws IOException {
        try (BufferedReader reader = new BufferedReader(new FileReader("/proc/self/status"))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith(name)) { // "VmRSS:    12345 kB"
                    String number = line.substring(name.length()).replace("kB", "").trim();
                    return Long.parseLong(number) * 1024 / 1e6;
                }
            }
        }
        throw new IOException("/proc/self/status has no " + name);
    }
}
