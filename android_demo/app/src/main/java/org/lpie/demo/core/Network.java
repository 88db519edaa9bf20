package org.lpie.demo.core;

import java.nio.ByteBuffer;

/** A model that is ready to run on tiles of one size. */
public interface Network {
    Size tile();

    Levels inputLevels();

    Levels outputLevels();

    /** Runs on {@code input} and fills {@code output}, both [1, H, W, 3] of the tensors' types. */
    void run(ByteBuffer input, ByteBuffer output);
}
