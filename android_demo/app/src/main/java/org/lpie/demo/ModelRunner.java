package org.lpie.demo;

import android.content.Context;
import android.os.Build;
import java.io.File;
import java.nio.ByteBuffer;
import org.lpie.demo.core.Delegate;
import org.lpie.demo.core.DelegateLog;
import org.lpie.demo.core.Executed;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.Levels;
import org.lpie.demo.core.ModelGraph;
import org.lpie.demo.core.ModelSpec;
import org.lpie.demo.core.Network;
import org.lpie.demo.core.Size;
import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;
import org.tensorflow.lite.gpu.GpuDelegate;
import org.tensorflow.lite.gpu.GpuDelegateFactory;
import org.tensorflow.lite.nnapi.NnApiDelegate;

/**
 * A TFLite interpreter of one tile size on a delegate, or on XNNPACK where that failed.
 *
 * <p>To be made, run and closed on one thread: the GPU delegate's OpenGL wants that.
 */
final class ModelRunner implements Network, AutoCloseable {
    /** What a user or `lpie bench` asks for. */
    static final class Choice {
        Delegate delegate = Delegate.GPU;
        int threads = 4;
        boolean halfPrecision = true;
        String accelerator = "";
    }

    final Executed executed = new Executed();
    private final Size tile;
    private final ModelSpec spec;
    private final ModelGraph graph;
    private final Choice choice;
    private final File cache;
    private final String token;
    private final long start = System.nanoTime();
    private Interpreter interpreter;
    private AutoCloseable delegate;
    private Levels inputLevels;
    private Levels outputLevels;

    /** The model in {@code file}, for tiles of {@code tile}. */
    ModelRunner(Context context, ModelFile file, Size tile, Choice choice) throws InputException {
        this.tile = tile;
        this.spec = file.spec;
        this.choice = choice;
        this.cache = context.getCodeCacheDir();
        // What a delegate compiled serves this file at this size in this precision only.
        this.token = file.sha256.substring(0, 16) + "_" + tile + (choice.halfPrecision ? "h" : "f");
        graph = new ModelGraph(file.data);
        graph.resize(tile);
        executed.nodesTotal = graph.nodes();
        if (!opened(choice.delegate)) {
            open(Delegate.XNNPACK);
        }
    }

    @Override
    public Size tile() {
        return tile;
    }

    @Override
    public Levels inputLevels() {
        return inputLevels;
    }

    @Override
    public Levels outputLevels() {
        return outputLevels;
    }

    @Override
    public void run(ByteBuffer input, ByteBuffer output) {
        interpreter.run(input, output);
    }

    @Override
    public void close() {
        if (interpreter != null) {
            interpreter.close();
            interpreter = null;
        }
        if (delegate == null) {
            return;
        }
        try {
            delegate.close();
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception impossible) { // the delegates' close() declares none
            throw new AssertionError(impossible);
        } finally {
            delegate = null;
        }
    }

    /** Whether the model runs on {@code wanted}; the reason is noted where it does not. */
    private boolean opened(Delegate wanted) throws InputException {
        if (wanted == Delegate.NNAPI && Build.VERSION.SDK_INT < Build.VERSION_CODES.O_MR1) {
            executed.reasons.add("NNAPI came with Android 8.1.");
            return false;
        }
        String marker = OwnLog.mark();
        try {
            open(wanted);
        } catch (IllegalArgumentException | IllegalStateException | UnsupportedOperationException
                | UnsatisfiedLinkError error) {
            executed.reasons.add(wanted.recordName() + ": " + firstLine(error));
            close();
            return false;
        }
        DelegateLog log = DelegateLog.read(OwnLog.read(), marker, wanted.logged);
        // Ops that unpack weights are done before a run; not every delegate counts them.
        boolean whole = log.taken == null
                || log.taken >= executed.nodesTotal - graph.weightNodes();
        if (whole || wanted == Delegate.CPU || wanted == Delegate.XNNPACK) {
            executed.nodesDelegated = wanted == Delegate.CPU ? null : log.taken;
            executed.partitions = wanted == Delegate.CPU ? null : log.partitions;
            if (whole && log.taken != null) {
                executed.nodesTotal = log.taken;
            }
            return true;
        }
        executed.reasons.add(wanted.recordName() + " took " + log.taken + " of "
                + executed.nodesTotal + " ops, in " + log.partitions + " parts.");
        close();
        return false;
    }

    private void open(Delegate wanted) throws InputException {
        Interpreter.Options options = new Interpreter.Options();
        options.setNumThreads(choice.threads);
        options.setUseXNNPACK(wanted != Delegate.CPU);
        if (wanted == Delegate.GPU) {
            GpuDelegate gpu = new GpuDelegate(gpuOptions());
            delegate = gpu;
            options.addDelegate(gpu);
        } else if (wanted == Delegate.NNAPI) {
            NnApiDelegate nnapi = new NnApiDelegate(nnapiOptions());
            delegate = nnapi;
            options.addDelegate(nnapi);
        }
        interpreter = new Interpreter(graph.file(), options);
        interpreter.allocateTensors();
        inputLevels = levels(interpreter.getInputTensor(0), spec.inputDtype);
        outputLevels = levels(interpreter.getOutputTensor(0), spec.outputDtype);
        executed.delegate = wanted;
        executed.initMs = (System.nanoTime() - start) / 1e6;
    }

    private GpuDelegateFactory.Options gpuOptions() {
        return new GpuDelegateFactory.Options()
                .setPrecisionLossAllowed(choice.halfPrecision)
                .setQuantizedModelsAllowed(true)
                .setInferencePreference(
                        GpuDelegateFactory.Options.INFERENCE_PREFERENCE_SUSTAINED_SPEED)
                .setSerializationParams(cache.getPath(), token);
    }

    private NnApiDelegate.Options nnapiOptions() {
        NnApiDelegate.Options options = new NnApiDelegate.Options()
                .setExecutionPreference(NnApiDelegate.Options.EXECUTION_PREFERENCE_SUSTAINED_SPEED)
                .setAllowFp16(choice.halfPrecision)
                .setCacheDir(cache.getPath())
                .setModelToken(token);
        if (choice.accelerator.isEmpty()) {
            return options.setUseNnapiCpu(false); // its CPU is slower than XNNPACK
        }
        return options.setAcceleratorName(choice.accelerator);
    }

    private Levels levels(Tensor tensor, Levels.Dtype dtype) throws InputException {
        if (!tensor.dataType().equals(DataType.valueOf(dtype.name()))) {
            throw new InputException("The spec says " + dtype + ", the model takes and returns "
                    + tensor.dataType() + ".");
        }
        Tensor.QuantizationParams levels = tensor.quantizationParams();
        return new Levels(dtype, levels.getScale(), levels.getZeroPoint(), spec.low, spec.high);
    }

    private static String firstLine(Throwable error) {
        return String.valueOf(error.getMessage()).trim().split("\n")[0];
    }
}
