package org.lpie.demo;

import android.app.ActivityManager;
import android.content.Context;
import org.lpie.demo.core.InputException;
import org.lpie.demo.core.ModelGraph;
import org.lpie.demo.core.Plan;
import org.lpie.demo.core.Size;

/** How large tiles may be on this phone. */
final class Tiling {
    /** The longest side of a tile (px), as of `lpie restore`. */
    private static final int TILE_PX = 768;
    /** The same where Android says that memory is little, a quarter of the pixels. */
    private static final int SMALL_TILE_PX = 384;

    private Tiling() {}

    /** The plan for a photo of {@code size}. */
    static Plan plan(Context context, ModelFile file, Size size) throws InputException {
        ActivityManager manager = context.getSystemService(ActivityManager.class);
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        manager.getMemoryInfo(memory);
        boolean little = manager.isLowRamDevice() || memory.lowMemory;
        return plan(file, size, little ? SMALL_TILE_PX : TILE_PX);
    }

    /** The plan with tiles of at most {@code mostPx}. */
    static Plan plan(ModelFile file, Size size, int mostPx) throws InputException {
        boolean resizable = new ModelGraph(file.data).isResizable();
        return Plan.of(file.spec, size, resizable, mostPx);
    }
}
