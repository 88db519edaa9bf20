// Measures networks by the protocol of `lpie bench`: a first run, a warm-up, and rounds in turns;
// a time ends when the result has been read back.

const WARMUP_MS = 1000;
const DELEGATES = {wasm: 'xnnpack', webgpu: 'gpu', webnn: 'npu'};

/**
 * Measures all of `task`: networks x sizes x accelerators, the networks in turns.
 *
 * Returns what a record needs of each: {network, size, accelerator, plan, rounds, ...}; what cannot
 * run has `failed`, a sentence.
 */
export async function measure(task, tools) {
  const all = [];
  for (const accelerator of task.accelerators) {
    await tools.engine.load(task.runtime, accelerator);
    for (const size of task.sizes) {
      const run = crypto.randomUUID().replaceAll('-', '');
      const jobs = task.networks.map((network) =>
        ({network, size, accelerator, run, delegate: DELEGATES[accelerator]}));
      await together(jobs, task, tools);
      all.push(...jobs);
      tools.engine.forget();
      if (tools.isOver()) return all.map(plain).filter((job) => job.rounds?.length === task.rounds);
    }
  }
  return all.map(plain);
}

/** Measures `jobs` in turns: round i of one beside round i of the others. */
async function together(jobs, task, tools) {
  for (const job of jobs) {
    tools.report({job: label(job), phase: 'setup'});
    await prepare(job, task, tools).catch((error) => {
      job.failed = String(error?.message ?? error);
    });
  }
  const start = performance.now();
  for (let round = 1; round <= task.rounds; round++) {
    for (const job of jobs.filter((each) => !each.failed)) {
      if (tools.isOver()) return;
      tools.report({job: label(job), phase: 'round', round, of: task.rounds});
      await oneRound(job, task.seconds * 1e3, start).catch((error) => {
        job.failed = String(error?.message ?? error);
      });
    }
  }
}

async function prepare(job, task, {engine, restoration, bytesOf, isOver}) {
  const {network, size, accelerator} = job;
  const bytes = await bytesOf(network);
  const plan = restoration.planOf(network, size, task.mostPx);
  const options = {accelerator, precision: task.precision, threads: task.threads};
  const model = await engine.compile(network, bytes, plan.tile, options);
  const photo = pattern(size);
  job.parts = {copies: 0, inference: 0, images: 0};
  job.threads = accelerator === 'wasm' ? engine.threads(task.threads) : null;
  job.gpu = accelerator === 'webgpu' ? await engine.gpu() : null;
  Object.assign(job, {
    plan, full: model.full, initMs: model.initMs, rounds: [],
    async image() {
      const begin = performance.now();
      const times = await restoration.restore(network, plan, photo, {run: model.run});
      job.parts.copies += times.copies;
      job.parts.inference += times.inference;
      job.parts.images += 1;
      return performance.now() - begin;
    },
  });
  job.firstMs = await job.image();
  const warm = performance.now();
  for (job.warmupRuns = 0; job.warmupRuns < 2 || performance.now() - warm < WARMUP_MS;) {
    if (isOver()) return;
    await job.image();
    job.warmupRuns += 1;
  }
  job.warmupMs = (performance.now() - warm) / job.warmupRuns;
  job.parts = {copies: 0, inference: 0, images: 0};
}

async function oneRound(job, leastMs, start) {
  const begin = performance.now();
  const times = [];
  do {
    times.push(await job.image());
  } while (performance.now() - begin < leastMs);
  job.rounds.push({at_s: (begin - start) / 1e3, times_ms: times});
}

/** An image of `size` that is not flat, kept in memory. */
function pattern({height, width}) {
  const block = (y, x, rows, columns) => {
    const rgba = new Uint8ClampedArray(rows * columns * 4);
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, at += 4) {
        const level = ((y + row) * 3 + (x + column) * 5 + (((y + row) * (x + column)) >> 6)) & 255;
        rgba[at] = level;
        rgba[at + 1] = 255 - level;
        rgba[at + 2] = (level * 3) & 255;
        rgba[at + 3] = 255;
      }
    }
    return rgba;
  };
  return {size: {height, width}, read: block, write: () => {}};
}

function label({network, size, accelerator}) {
  return `${network.name}, ${size.width}x${size.height}, ${accelerator}`;
}

/** What may be sent from the worker to the page: no functions. */
function plain(job) {
  return JSON.parse(JSON.stringify(job));
}
