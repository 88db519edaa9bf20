// A `.tflite` for images of the size that a tile has, and its values as pixels.

/** `bytes` of a network for images of `size`; `places` as lpie/web/networks.py lists them. */
export function resized(bytes, places, size) {
  const copy = bytes.slice(0);
  const words = new DataView(copy);
  for (const [at, axis, numerator, denominator] of places) {
    words.setInt32(4 * at, (size[axis] * numerator) / denominator, true);
  }
  return new Uint8Array(copy);
}

/** How a network's tensors hold levels of 0 to 255, bit for bit as lpie/image/image.py does. */
export class Levels {
  constructor({input, output, quantization, range}) {
    const [low, high] = range.map(Math.fround);
    this.low = low;
    this.high = high;
    this.Input = input === 'uint8' ? Uint8Array : Float32Array;
    this.inputs = new this.Input(256);
    this.outputScale = output === 'uint8' ? quantization[1] : null;
    for (let level = 0; level < 256; level++) {
      const value = Math.fround(low + Math.fround((high - low) * Math.fround(level / 255)));
      this.inputs[level] = input === 'uint8' ? quantized(value, quantization[0]) : value;
    }
  }

  /** The level, 0 to 255 with its fraction, of a value of the output. */
  level(value) {
    const real = this.outputScale ? (value - this.outputScale[1]) * this.outputScale[0] : value;
    return ((real - this.low) / (this.high - this.low)) * 255;
  }
}

function quantized(value, [scale, zero]) {
  return Math.min(Math.max(rounded(Math.fround(value / Math.fround(scale))) + zero, 0), 255);
}

/** The nearest integer; of two as near the even one, as numpy's rint. */
export function rounded(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 ? floor + 1 : floor;
  return rest < 0.5 ? floor : floor + 1;
}
