package org.lpie.demo;

import android.content.Context;
import android.content.res.AssetManager;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.lpie.demo.core.Digest;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.ModelGraph;
import org.lpie.demo.core.ModelSpec;

/** A model and its spec: the file beside it, or else the copy that lpie wrote into it. */
final class ModelFile {
    private static final String ASSET = "model.tflite";

    final String name;
    final byte[] data;
    final String specJson;
    final ModelSpec spec;
    final String sha256;

    private ModelFile(String name, byte[] data, String beside) throws InputException {
        this.name = name;
        this.data = data;
        this.sha256 = Digest.sha256(data);
        this.specJson = beside != null ? beside : new ModelGraph(data).note();
        this.spec = ModelSpec.fromJson(specJson);
        if (spec.sha256 != null && !spec.sha256.equals(sha256)) {
            throw new InputException("The spec beside " + name + " is that of another file.");
        }
    }

    /** The model that the app was built with. */
    static ModelFile packaged(Context context) throws IOException, InputException {
        AssetManager assets = context.getAssets();
        byte[] data = read(assets.open(ASSET));
        return new ModelFile(ASSET, data, optional(assets));
    }

    /** The model at {@code path}. */
    static ModelFile at(File path) throws IOException, InputException {
        String stem = path.getName().replaceFirst("\\.tflite$", "");
        File beside = new File(path.getParentFile(), stem + ".spec.json");
        String spec = beside.isFile() ? text(read(new FileInputStream(beside))) : null;
        return new ModelFile(path.getName(), read(new FileInputStream(path)), spec);
    }

    private static String optional(AssetManager assets) throws IOException {
        try {
            return text(read(assets.open("model.spec.json")));
        } catch (FileNotFoundException absent) { // then the spec is inside the model
            return null;
        }
    }

    private static String text(byte[] data) {
        return new String(data, StandardCharsets.UTF_8);
    }

    private static byte[] read(InputStream input) throws IOException {
        try (InputStream stream = input) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] block = new byte[1 << 16];
            for (int n = stream.read(block); n > 0; n = stream.read(block)) {
                out.write(block, 0, n);
            }
            return out.toByteArray();
        }
    }
}
