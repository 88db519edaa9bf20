package org.lpie.demo.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The first graph of a TFLite file, which is given another image size: {@code resize} of
 * lpie/tflite/model.py, in place, so that the file keeps its length.
 *
 * <p>Maps scale with the image and weights do not change. Delegates, unlike the interpreter's own
 * resizeInput, then see one fixed size, and RESIZE ops, whose target is a constant, follow.
 */
public final class ModelGraph {
    private static final int DEQUANTIZE = 6;
    private static final int MEAN = 40;
    /** BATCH_MATMUL, CUMSUM, GATHER, RESHAPE, SLICE, STRIDED_SLICE: they hold a size otherwise. */
    private static final Set<Integer> SIZED =
            new HashSet<>(Arrays.asList(126, 128, 36, 22, 65, 45));
    /** TRANSPOSE_CONV and both RESIZE ops: {the input that is a size, where in it h, w stand}. */
    private static final Map<Integer, int[]> TARGETS = new HashMap<>();

    static {
        TARGETS.put(67, new int[] {0, 1});
        TARGETS.put(23, new int[] {1, 0});
        TARGETS.put(97, new int[] {1, 0});
    }

    private final ByteBuffer data;
    private final List<FlatTable> buffers;
    private final List<FlatTable> tensors;
    private final List<FlatTable> operators;
    private final int[] codes;
    private final int input;
    /** Tensors that keep their shape: constants, means over the map, and what is made of these. */
    private final Set<Integer> kept = new HashSet<>();
    private boolean sizeIsPartOfIt;

    /** The graph in a copy of {@code model}, the bytes of a `.tflite` file. */
    public ModelGraph(byte[] model) throws InputException {
        data = ByteBuffer.allocateDirect(model.length).order(ByteOrder.LITTLE_ENDIAN);
        data.put(model).rewind();
        try {
            if (data.getInt(4) != 0x334c4654) { // "TFL3"
                throw new InputException("That is no TFLite model: it lacks the identifier TFL3.");
            }
            FlatTable root = FlatTable.root(data);
            FlatTable graph = root.tables(2).get(0);
            buffers = root.tables(4);
            tensors = graph.tables(0);
            operators = graph.tables(3);
            codes = codes(root.tables(1));
            input = graph.ints(1)[0];
            findKept();
        } catch (IndexOutOfBoundsException damaged) {
            throw new InputException("The model is truncated or damaged.");
        }
    }

    /** How many ops the graph has. */
    public int nodes() {
        return operators.size();
    }

    /** How many of these only unpack float16 weights, which is done before a run. */
    public int weightNodes() {
        int count = 0;
        for (FlatTable op : operators) {
            boolean unpacks = codes[op.intField(0)] == DEQUANTIZE;
            count += unpacks && isConstant(op.ints(1)[0]) ? 1 : 0;
        }
        return count;
    }

    /** The image size that the graph takes. */
    public Size size() {
        int[] shape = tensors.get(input).ints(0);
        return new Size(shape[1], shape[2]);
    }

    /** Whether the graph may be given another size. */
    public boolean isResizable() {
        return !sizeIsPartOfIt;
    }

    /** The file, for a runtime: its image size is that of the last {@link #resize}. */
    public ByteBuffer file() {
        return data.duplicate().order(ByteOrder.nativeOrder());
    }

    /** The spec that lpie wrote into the file. */
    public String note() throws InputException {
        for (FlatTable entry : FlatTable.root(data).tables(6)) {
            if (entry.text(0).equals("lpie_spec")) {
                return buffers.get(entry.intField(1)).text(0);
            }
        }
        throw new InputException("The model has no spec, neither beside it nor inside it. Export"
                + " it by `lpie export`.");
    }

    /** Gives the graph another image size. */
    public void resize(Size size) throws InputException {
        Size old = size();
        if (size.equals(old)) {
            return;
        }
        if (sizeIsPartOfIt) {
            throw new InputException("The model's size is part of it. Export it for " + size + ".");
        }
        Map<Integer, Integer> changes = new HashMap<>();
        for (int i = 0; i < tensors.size(); i++) {
            for (int field : new int[] {0, 7}) { // shape, shape_signature
                FlatTable.Block shape = tensors.get(i).vector(field);
                if (shape.length == 4) {
                    scale(shape.start + 4, kept.contains(i) ? size : old, size, changes);
                }
            }
        }
        for (FlatTable op : operators) {
            int[] target = TARGETS.get(codes[op.intField(0)]);
            if (target != null) {
                FlatTable tensor = tensors.get(op.ints(1)[target[0]]);
                int start = buffers.get(tensor.intField(2)).vector(0).start;
                scale(start + 4 * target[1], old, size, changes);
            }
        }
        for (Map.Entry<Integer, Integer> change : changes.entrySet()) {
            data.putInt(change.getKey(), change.getValue());
        }
    }

    /** Notes the (height, width) at byte {@code at}, scaled as {@code from} becomes {@code to}. */
    private void scale(int at, Size from, Size to, Map<Integer, Integer> changes)
            throws InputException {
        note(at, scaled(data.getInt(at), from.height, to.height), changes);
        note(at + 4, scaled(data.getInt(at + 4), from.width, to.width), changes);
    }

    private static void note(int at, int value, Map<Integer, Integer> changes)
            throws InputException {
        Integer other = changes.put(at, value);
        if (other != null && other != value) {
            throw new InputException("Two tensors of the model share one shape, of which only one"
                    + " is to change. Export it in that size.");
        }
    }

    private static int scaled(int length, int from, int to) throws InputException {
        if (length > 0 && (long) length * to % from != 0) {
            throw new InputException("The model cannot take that size: a map inside would have a"
                    + " fraction of a pixel.");
        }
        return length > 0 ? (int) ((long) length * to / from) : length;
    }

    private void findKept() {
        for (int i = 0; i < tensors.size(); i++) {
            if (isConstant(i)) {
                kept.add(i);
            }
        }
        for (FlatTable op : operators) { // in the order of execution
            int code = codes[op.intField(0)];
            int[] inputs = op.ints(1);
            boolean keeps = isPooling(code, inputs) || (inputs.length > 0 && onlyKept(inputs));
            if (keeps) {
                for (int output : op.ints(2)) {
                    kept.add(output);
                }
            }
            sizeIsPartOfIt |= SIZED.contains(code) && !keeps;
        }
    }

    private boolean isConstant(int tensor) {
        return buffers.get(tensors.get(tensor).intField(2)).vector(0).length > 0;
    }

    private boolean onlyKept(int[] inputs) {
        for (int each : inputs) {
            if (each >= 0 && !kept.contains(each)) { // -1 is an absent input
                return false;
            }
        }
        return true;
    }

    /** Whether an op is a mean over the whole height and width. */
    private boolean isPooling(int code, int[] inputs) {
        if (code != MEAN) {
            return false;
        }
        FlatTable.Block axes = buffers.get(tensors.get(inputs[1]).intField(2)).vector(0);
        Set<Integer> found = new HashSet<>();
        for (int i = 0; i < axes.length / 4; i++) {
            found.add(Math.floorMod(data.getInt(axes.start + 4 * i), 4));
        }
        return found.contains(1) && found.contains(2);
    }

    private static int[] codes(List<FlatTable> table) {
        int[] codes = new int[table.size()];
        for (int i = 0; i < codes.length; i++) {
            // Codes below 127 once had a byte of their own; the larger of both counts.
            codes[i] = Math.max(table.get(i).byteField(0), table.get(i).intField(3));
        }
        return codes;
    }
}
