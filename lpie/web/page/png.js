// Writes opaque photos as PNG of one or three channels; a canvas always writes four.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const CRCS = Int32Array.from({length: 256}, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** `rgba` of width x height px without its transparency, as a Blob; grey: its red channel alone. */
export async function opaquePng(rgba, width, height, {grey}) {
  const channels = grey ? 1 : 3;
  const lines = new Uint8Array(height * (1 + width * channels));
  let to = 0;
  for (let y = 0; y < height; y++) {
    lines[to++] = y ? 2 : 0; // each line less the one above
    for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
      for (let c = 0; c < channels; c++) {
        lines[to++] = rgba[at + c] - (y ? rgba[at + c - width * 4] : 0);
      }
    }
  }
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream('deflate'));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, grey ? 0 : 2], 8);
  const parts = [chunk('IHDR', head), chunk('IDAT', data), chunk('IEND', new Uint8Array())];
  return new Blob([Uint8Array.from(SIGNATURE), ...parts], {type: 'image/png'});
}

function chunk(name, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  let crc = -1;
  for (let at = 4; at < 8 + data.length; at++) crc = CRCS[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, ~crc);
  return bytes;
}
