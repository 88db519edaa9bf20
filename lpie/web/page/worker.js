// The worker of the page: restores photos, frames of the camera, and measures. A classic script,
// because LiteRT.js loads its WebAssembly by importScripts.
let parts = null;
let cancelled = false;
const files = new Map();

async function modules() {
  parts ??= Promise.all([
    import('./engine.js'), import('./restoration.js'), import('./measure.js'),
  ]).then(([engine, restoration, measure]) => ({engine, restoration, measure}));
  return parts;
}

/** The bytes of a network's file, fetched once and compared with the manifest's digest. */
async function bytesOf(network) {
  if (!files.has(network.sha256)) {
    const answer = await fetch(network.url);
    if (!answer.ok) throw new Error(`${network.file}: ${answer.status} ${answer.statusText}`);
    const bytes = await answer.arrayBuffer();
    const digest = await crypto.subtle.digest('SHA-256', bytes);
    const text = Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, '0')).join('');
    if (text !== network.sha256) throw new Error(`${network.file} is damaged. Load the page again.`);
    files.set(network.sha256, bytes);
  }
  return files.get(network.sha256);
}

/** A canvas as `restore` takes it. */
function canvasPhoto(canvas) {
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  return {
    size: {height: canvas.height, width: canvas.width},
    read: (y, x, height, width) => pen.getImageData(x, y, width, height).data,
    write: (y, x, height, width, rgba) =>
      pen.putImageData(new ImageData(rgba, width, height), x, y),
  };
}

/** Picks where a network runs: the one asked for, or the GPU when it takes all and is right. */
async function place(task, tile) {
  const {engine} = await modules();
  const bytes = await bytesOf(task.network);
  const asked = task.accelerator;
  await engine.load(task.runtime, asked);
  const wasm = (reason) => ({accelerator: 'wasm', reason, bytes});
  if (asked !== 'auto') return {accelerator: asked, reason: '', bytes};
  const gpu = await engine.gpu().catch(() => null);
  if (!gpu) return wasm('noGpu');
  try {
    const model = await engine.compile(task.network, bytes, tile, {accelerator: 'webgpu'});
    if (!model.full) return wasm('gpuPartly');
    const apart = await difference(task.network, bytes, engine);
    return apart > 2 ? wasm('gpuWrong') : {accelerator: 'webgpu', reason: gpu, bytes};
  } catch (error) {
    return wasm('gpuFailed');
  }
}

/** The largest difference in levels between GPU and CPU on one small tile. */
async function difference(network, bytes, engine) {
  const {Levels} = await import('./network.js');
  const side = Math.max(64, network.multiple);
  const size = network.places.length ? {height: side, width: side} : network;
  const levels = new Levels(network);
  const values = Float32Array.from({length: size.height * size.width * 3},
    (_, i) => levels.inputs[(i * 37 + ((i * i) >> 7)) & 255]);
  const input = levels.Input.from(values);
  const [one, two] = await Promise.all(['webgpu', 'wasm'].map(async (accelerator) => {
    const model = await engine.compile(network, bytes, size, {accelerator});
    return Array.from(await model.run(input), (value) => levels.level(value));
  }));
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - two[i])), 0);
}

async function restorePhoto(task) {
  const {engine, restoration} = await modules();
  const {bitmap, network, strength, mostPx} = task;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d', {willReadFrequently: true}).drawImage(bitmap, 0, 0);
  bitmap.close();
  const source = canvasPhoto(canvas);
  const target = new OffscreenCanvas(canvas.width, canvas.height);
  const written = canvasPhoto(target);
  const photo = {size: source.size, read: source.read, write: written.write};
  const plan = restoration.planOf(network, photo.size, mostPx);
  const {accelerator, reason, bytes} = await place(task, plan.tile);
  const model = await engine.compile(network, bytes, plan.tile, {accelerator});
  const progress = (done, all) => {
    postMessage({id: task.id, progress: done / all});
    return !cancelled;
  };
  const run = async (values) => {
    await new Promise((resolve) => setTimeout(resolve));
    return model.run(values);
  };
  const times = await restoration.restore(network, plan, photo, {run, strength, progress});
  if (!times) return {cancelled: true};
  const image = target.transferToImageBitmap();
  return {image, times, accelerator, reason, tiles: plan.tiles.length, full: model.full};
}

/** One frame of the camera, in one piece. */
async function restoreFrame(task) {
  const {engine, restoration} = await modules();
  const {pixels, width, height, network} = task;
  const plan = restoration.planOf(network, {width, height}, 1e6);
  const {accelerator, reason, bytes} = await place(task, plan.tile);
  const model = await engine.compile(network, bytes, plan.tile, {accelerator});
  const photo = {
    size: {width, height},
    read: (y, x, rows, columns) => crop(pixels, width, y, x, rows, columns),
    write: (y, x, rows, columns, rgba) => pixels.set(rgba),
  };
  const start = performance.now();
  await restoration.restore(network, plan, photo, {run: (values) => model.run(values)});
  return {pixels, width, height, ms: performance.now() - start, accelerator, reason};
}

function crop(pixels, width, y, x, rows, columns) {
  if (!y && !x && columns === width) return pixels.slice(0, rows * width * 4);
  const block = new Uint8ClampedArray(rows * columns * 4);
  for (let row = 0; row < rows; row++) {
    const from = ((y + row) * width + x) * 4;
    block.set(pixels.subarray(from, from + columns * 4), row * columns * 4);
  }
  return block;
}

async function measure(task) {
  const {engine, restoration, measure: harness} = await modules();
  const report = (event) => postMessage({id: task.id, progress: event});
  return harness.measure(task, {engine, restoration, bytesOf, report, isOver: () => cancelled});
}

const TASKS = {
  photo: restorePhoto,
  frame: restoreFrame,
  measure,
  gpu: async () => ({gpu: await (await modules()).engine.gpu().catch(() => null)}),
};

self.onmessage = async ({data: task}) => {
  if (task.kind === 'cancel') {
    cancelled = true;
    return;
  }
  cancelled = false;
  try {
    const result = await TASKS[task.kind](task);
    const transfer = [result.image, result.pixels?.buffer].filter(Boolean);
    postMessage({id: task.id, result}, transfer);
  } catch (error) {
    postMessage({id: task.id, error: String(error?.message ?? error)});
  }
};
