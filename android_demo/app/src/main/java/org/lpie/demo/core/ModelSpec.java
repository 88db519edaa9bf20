package org.lpie.demo.core;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** What lpie wrote beside a model: how to feed it. All that the app knows about a model. */
public final class ModelSpec {
    public final String network;
    public final String recipe;
    public final Size size;
    /** Sides of a photo must be multiples of this (px). */
    public final int multiple;
    /** How far the network looks beyond a pixel (px); null when it looks over the whole photo. */
    public final Integer haloPx;
    public final Levels.Dtype inputDtype;
    public final Levels.Dtype outputDtype;
    public final float low;
    public final float high;
    /** Of the file; null in the copy inside the file itself. */
    public final String sha256;

    private ModelSpec(JSONObject table) throws JSONException, InputException {
        network = table.getString("network");
        recipe = table.getString("recipe");
        size = new Size(table.getInt("height"), table.getInt("width"));
        multiple = table.getInt("multiple");
        haloPx = table.isNull("halo_px") ? null : (Integer) table.getInt("halo_px");
        inputDtype = Levels.Dtype.named(table.getString("input_dtype"));
        outputDtype = Levels.Dtype.named(table.getString("output_dtype"));
        JSONArray range = table.getJSONArray("value_range");
        low = (float) range.getDouble(0);
        high = (float) range.getDouble(1);
        sha256 = table.isNull("sha256") ? null : table.getString("sha256");
        check(table.getString("layout"), table.getString("color"), table.optInt("scale", 1));
    }

    /** The spec in {@code text}. */
    public static ModelSpec fromJson(String text) throws InputException {
        try {
            return new ModelSpec(new JSONObject(text));
        } catch (JSONException error) {
            throw new InputException("That is no model spec: " + error.getMessage() + ".");
        }
    }

    private void check(String layout, String color, int scale) throws InputException {
        if (scale != 1) {
            throw new InputException("The app returns photos of their own size, and this model"
                    + " enlarges " + scale + " times. Restore with it on a computer: lpie restore"
                    + " MODEL PHOTO.");
        }
        if (!layout.equals("NHWC") || !color.startsWith("RGB")) {
            throw new InputException("The app feeds RGB images as NHWC. The spec says: " + color
                    + ", " + layout + ".");
        }
        if (multiple < 1 || size.height < 1 || size.width < 1 || !(high > low)
                || (haloPx != null && haloPx < 0)) {
            throw new InputException("The spec's size, multiple, halo or range is none: " + size
                    + ", " + multiple + ", " + haloPx + ", " + low + " to " + high + ".");
        }
    }
}
