package org.lpie.demo.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Arrays;
import org.junit.Test;

public final class ModelGraphTest {
    /** Two kinds of graph: LPIENet's RESIZE ops have a target size, LPIENet-RT has none. */
    private static final String[] MODELS = {"denoise", "denoise-s", "denoise-lpienet"};
    private static final Size SIZE = new Size(176, 264);

    /** tests/device/test_android.py runs the files that this writes, against lpie's own. */
    @Test
    public void graphsTakeAnotherSizeAndTheOldOneAgain() throws IOException, InputException {
        for (String name : MODELS) {
            byte[] model = model(name);
            ModelGraph graph = new ModelGraph(model);
            Size old = graph.size();
            assertTrue(graph.isResizable());
            graph.resize(SIZE);
            assertEquals(SIZE, graph.size());
            File file = new File(System.getProperty("out"), name + "_264x176.tflite");
            Files.write(file.toPath(), bytes(graph.file()));
            graph.resize(old);
            assertArrayEquals(model, bytes(graph.file()));
        }
    }

    @Test
    public void theSpecInsideIsThatOfTheGraph() throws IOException, InputException {
        for (String name : MODELS) {
            ModelGraph graph = new ModelGraph(model(name));
            ModelSpec spec = ModelSpec.fromJson(graph.note());
            assertEquals(graph.size(), spec.size);
            assertNotNull(spec.haloPx);
            assertEquals(0, spec.size.height % spec.multiple);
            assertTrue(graph.weightNodes() > 0 && graph.weightNodes() < graph.nodes());
        }
    }

    @Test
    public void damagedFilesAreRefused() throws IOException {
        byte[] model = model("denoise-s");
        for (int length : new int[] {0, 7, 100, model.length / 2}) {
            refuses(Arrays.copyOf(model, length));
        }
        byte[] other = model.clone();
        other[4] = 'X';
        refuses(other);
    }

    @Test
    public void sizesBetweenPixelsOfAMapAreRefused() throws IOException, InputException {
        final ModelGraph graph = new ModelGraph(model("denoise-s"));
        assertThrows(InputException.class, new org.junit.function.ThrowingRunnable() {
            @Override
            public void run() throws InputException {
                graph.resize(new Size(100, 100));
            }
        });
        assertEquals(256, graph.size().height);
    }

    private static void refuses(final byte[] data) {
        assertThrows(InputException.class, new org.junit.function.ThrowingRunnable() {
            @Override
            public void run() throws InputException {
                new ModelGraph(data);
            }
        });
    }

    private static byte[] model(String name) throws IOException {
        return Files.readAllBytes(
                new File(System.getProperty("models"), name + ".tflite").toPath());
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }
}
