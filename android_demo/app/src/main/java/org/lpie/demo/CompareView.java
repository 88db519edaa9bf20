package org.lpie.demo;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Matrix;
import android.graphics.Paint;
import android.os.Bundle;
import android.util.AttributeSet;
import android.view.GestureDetector;
import android.view.MotionEvent;
import android.view.ScaleGestureDetector;
import android.view.View;
import android.view.accessibility.AccessibilityNodeInfo;

/** A photo left of a line, its restored twin right of it; both zoom and move together. */
public final class CompareView extends View {
    /** Beyond this a canvas of the GPU refuses a bitmap (100 MB since Android 7). */
    private static final int GPU_BYTES = 100_000_000;
    private static final float MOST_ZOOM = 12;
    private static final float STEP = 0.1f;

    private final Paint pixels = new Paint(Paint.FILTER_BITMAP_FLAG);
    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Matrix matrix = new Matrix();
    private final float touchPx = 28 * getResources().getDisplayMetrics().density;
    private final ScaleGestureDetector pinch;
    private final GestureDetector taps;
    private Bitmap before;
    private Bitmap after;
    private float divider = 0.5f;
    private float zoom = 1;
    private float panX;
    private float panY;
    private boolean draggingLine;

    public CompareView(Context context, AttributeSet attributes) {
        super(context, attributes);
        setSaveEnabled(true);
        pinch = new ScaleGestureDetector(context, new Pinch());
        taps = new GestureDetector(context, new Taps());
        describe();
    }

    /** Shows {@code before} and, where it is not null, {@code after}. */
    void show(Bitmap before, Bitmap after) {
        if (before != this.before) {
            zoom = 1;
            panX = 0;
            panY = 0;
        }
        this.before = before;
        this.after = after;
        boolean large = before != null && before.getByteCount() > GPU_BYTES;
        setLayerType(large ? LAYER_TYPE_SOFTWARE : LAYER_TYPE_NONE, null);
        describe();
        invalidate();
    }

    @Override
    protected void onDraw(Canvas canvas) {
        super.onDraw(canvas);
        if (before == null) {
            return;
        }
        place();
        // Pixels are to be seen as they are when enlarged.
        pixels.setFilterBitmap(scale() < 2);
        canvas.drawBitmap(before, matrix, pixels);
        if (after == null) {
            return;
        }
        float x = divider * getWidth();
        canvas.save();
        canvas.clipRect(x, 0, getWidth(), getHeight());
        canvas.drawBitmap(after, matrix, pixels);
        canvas.restore();
        line.setColor(getContext().getColor(R.color.divider_edge));
        line.setStrokeWidth(touchPx / 7);
        canvas.drawLine(x, 0, x, getHeight(), line);
        line.setColor(getContext().getColor(R.color.divider));
        line.setStrokeWidth(touchPx / 14);
        canvas.drawLine(x, 0, x, getHeight(), line);
        canvas.drawCircle(x, getHeight() / 2f, touchPx / 3, line);
    }

    @Override
    public boolean onTouchEvent(MotionEvent event) {
        pinch.onTouchEvent(event);
        taps.onTouchEvent(event);
        if (event.getActionMasked() == MotionEvent.ACTION_DOWN) {
            boolean near = Math.abs(event.getX() - divider * getWidth()) < touchPx;
            draggingLine = after != null && (near || zoom == 1);
        } else if (event.getActionMasked() == MotionEvent.ACTION_MOVE && draggingLine
                && event.getPointerCount() == 1 && !pinch.isInProgress()) {
            moveLine(event.getX() / getWidth());
        }
        return true;
    }

    @Override
    public void onInitializeAccessibilityNodeInfo(AccessibilityNodeInfo info) {
        super.onInitializeAccessibilityNodeInfo(info);
        if (after != null) {
            info.addAction(new AccessibilityNodeInfo.AccessibilityAction(
                    AccessibilityNodeInfo.ACTION_SCROLL_BACKWARD,
                    getContext().getString(R.string.compare_left)));
            info.addAction(new AccessibilityNodeInfo.AccessibilityAction(
                    AccessibilityNodeInfo.ACTION_SCROLL_FORWARD,
                    getContext().getString(R.string.compare_right)));
        }
    }

    @Override
    public boolean performAccessibilityAction(int action, Bundle arguments) {
        boolean left = action == AccessibilityNodeInfo.ACTION_SCROLL_BACKWARD;
        if (after != null && (left || action == AccessibilityNodeInfo.ACTION_SCROLL_FORWARD)) {
            moveLine(divider + (left ? -STEP : STEP));
            return true;
        }
        return super.performAccessibilityAction(action, arguments);
    }

    private void moveLine(float share) {
        divider = Math.min(Math.max(share, 0), 1);
        describe();
        invalidate();
    }

    private void describe() {
        if (before == null) {
            setContentDescription(getContext().getString(R.string.compare_empty));
        } else if (after == null) {
            setContentDescription(getContext().getString(R.string.compare_before));
        } else {
            setContentDescription(getContext().getString(R.string.compare_both,
                    Math.round(divider * 100)));
        }
    }

    /** Pixels of the view that a pixel of the photo takes. */
    private float scale() {
        return zoom * Math.min((float) getWidth() / before.getWidth(),
                (float) getHeight() / before.getHeight());
    }

    private void place() {
        float scale = scale();
        float spareX = Math.max(before.getWidth() * scale - getWidth(), 0) / 2;
        float spareY = Math.max(before.getHeight() * scale - getHeight(), 0) / 2;
        panX = Math.min(Math.max(panX, -spareX), spareX);
        panY = Math.min(Math.max(panY, -spareY), spareY);
        matrix.setScale(scale, scale);
        matrix.postTranslate((getWidth() - before.getWidth() * scale) / 2 + panX,
                (getHeight() - before.getHeight() * scale) / 2 + panY);
    }

    /** Zooms around ({@code x}, {@code y}) of the view. */
    private void zoomTo(float wanted, float x, float y) {
        float old = zoom;
        zoom = Math.min(Math.max(wanted, 1), MOST_ZOOM * Math.max(1, 1 / (scale() / zoom)));
        float change = zoom / old;
        panX = (panX + getWidth() / 2f - x) * change + x - getWidth() / 2f;
        panY = (panY + getHeight() / 2f - y) * change + y - getHeight() / 2f;
        invalidate();
    }

    private final class Pinch extends ScaleGestureDetector.SimpleOnScaleGestureListener {
        @Override
        public boolean onScale(ScaleGestureDetector detector) {
            if (before != null) {
                zoomTo(zoom * detector.getScaleFactor(), detector.getFocusX(),
                        detector.getFocusY());
            }
            return true;
        }
    }

    private final class Taps extends GestureDetector.SimpleOnGestureListener {
        @Override
        public boolean onDown(MotionEvent event) {
            return true;
        }

        @Override
        public boolean onScroll(MotionEvent first, MotionEvent event, float byX, float byY) {
            if (!draggingLine || event.getPointerCount() > 1) {
                panX -= byX;
                panY -= byY;
                invalidate();
            }
            return true;
        }

        /** To one pixel of the photo per pixel of the screen, and back. */
        @Override
        public boolean onDoubleTap(MotionEvent event) {
            if (before != null) {
                zoomTo(zoom > 1 ? 1 : Math.max(2, zoom / scale()), event.getX(), event.getY());
            }
            return true;
        }
    }
}
