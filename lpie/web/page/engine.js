// Runs networks by LiteRT.js: compiles for a size and an accelerator, and says what ran.
import {resized} from './network.js';

let runtime = null;
let mode = '';
const compiled = new Map();
const MOST_COMPILED = 12;

/** Loads LiteRT.js from `folder`; again when WebNN asks for another build of it. */
export async function load(folder, accelerator) {
  const wanted = accelerator === 'webnn' ? 'jspi' : self.crossOriginIsolated ? 'threads' : 'plain';
  if (runtime && mode === wanted) return runtime;
  runtime ??= await import(`${folder}/core/index.js`);
  if (mode) {
    forget();
    runtime.unloadLiteRt();
  }
  mode = await loadBuild(folder, wanted).catch((error) => {
    if (wanted !== 'threads') throw error;
    return loadBuild(folder, 'plain');
  });
  return runtime;
}

async function loadBuild(folder, build) {
  // The script of LiteRT.js looks beside the worker unless it is told where its files are.
  self.Module = {
    locateFile: (name) => `${folder}/wasm/${name}`,
    mainScriptUrlOrBlob: `${folder}/wasm/litert_wasm_threaded_internal.js`,
  };
  await runtime.loadLiteRt(`${folder}/wasm/`, {threads: build === 'threads', jspi: build === 'jspi'});
  return build;
}

/** How many threads the WebAssembly runs by. */
export function threads(asked) {
  if (mode !== 'threads') return 1;
  return asked || Math.max(1, Math.min(navigator.hardwareConcurrency || 1, 8));
}

/** The processor of WebGPU as the browser describes it; null when there is none. */
export async function gpu() {
  if (!navigator.gpu) return null;
  const adapter = await navigator.gpu.requestAdapter({powerPreference: 'high-performance'});
  if (!adapter) return null;
  const {vendor = '', architecture = '', device = '', description = ''} = adapter.info ?? {};
  const words = [vendor, architecture, device, description].filter(Boolean);
  return words.join(' ') || 'GPU';
}

/** A network for images of `size`, compiled once: {run, full, initMs}. */
export async function compile(network, bytes, size, options) {
  const {accelerator, precision = 'fp32', threads: asked = 0} = options;
  const key = [network.sha256, size.width, size.height, accelerator, precision, asked].join();
  if (compiled.has(key)) return compiled.get(key);
  if (compiled.size >= MOST_COMPILED) forget();
  const start = performance.now();
  const file = resized(bytes, network.places, size);
  const cpuOptions = {numThreads: threads(asked)};
  const model = await runtime.loadAndCompile(file, {
    accelerator, cpuOptions, gpuOptions: {precision}, webNNOptions: {precision},
  });
  const shape = [1, size.height, size.width, 3];
  const made = {
    full: accelerator === 'wasm' ? true : model.isFullyAccelerated,
    initMs: performance.now() - start,
    /** The output's values; `values` are the input's. The time ends when they are read back. */
    async run(values) {
      const input = new runtime.Tensor(values, shape);
      let results = [];
      try {
        results = await model.run(input);
        return await results[0].data();
      } finally {
        input.delete();
        for (const result of results) result.delete();
      }
    },
    delete: () => model.delete(),
  };
  compiled.set(key, made);
  return made;
}

/** Frees all networks. */
export function forget() {
  for (const model of compiled.values()) model.delete();
  compiled.clear();
}
