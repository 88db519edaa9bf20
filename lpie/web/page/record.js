// A measurement as the record of `lpie bench` (benchmarks/records/record.schema.json), judged by
// the rules of lpie/benchmarks/records/verdict.py. Unknown is null. `lpie serve` judges again.
import {describe, deviation, median} from './statistics.js';

const SPREAD = 1.25;
const DEVIATION = 0.25;
const NORMAL = 1.4826;
const LEAST_ROUNDS = 3;

const blank = (...names) => Object.fromEntries(names.map((name) => [name, null]));

/** The record of `job`, which `measure` returned; `device` as `deviceOf` tells it. */
export function recordOf(job, {task, device, version, started, browser}) {
  const rounds = (job.rounds ?? []).map((round) => ({...round, ...describe(round.times_ms), state: null}));
  const record = {
    schema: 'lpie-bench/1',
    ...judged(job, rounds),
    lpie: version,
    started,
    run: job.run,
    model: {
      file: job.network.file, sha256: job.network.sha256, bytes: job.network.bytes,
      spec: job.network.spec,
    },
    device,
    runner: {...blank('binary_sha256'), name: 'web', version: browser, flags: []},
    requested: requested(job, task),
    executed: {
      delegate: job.failed ? null : job.delegate,
      full: job.failed ? null : job.full,
      nodes_total: job.network.nodes,
      nodes_delegated: job.full ? job.network.nodes : null,
      partitions: null,
      reasons: [],
    },
    state: {before: null, after: null},
    rounds,
    summary: summary(job, rounds),
    memory: blank('peak_mb', 'init_mb', 'overall_mb', 'gpu_mb', 'baseline_mb', 'estimated_mb'),
    energy: {joules: null, unavailable: 'A browser measures no energy.'},
    quality: null,
    profile: null,
    notes: job.gpu ? [`GPU by the browser: ${job.gpu}.`] : [],
    log: blank('text', 'file'),
  };
  return record;
}

function requested(job, task) {
  const whole = !job.plan || job.plan.tiles.length === 1;
  const text = ({width, height}) => `${width}x${height}`;
  return {
    delegate: job.delegate,
    accelerator: job.accelerator,
    precision: task.precision,
    threads: job.threads ?? null,
    size: text(job.size),
    mode: whole ? 'whole' : 'tiles',
    tiles: whole ? null : {
      tile: text(job.plan.tile), count: job.plan.tiles.length, halo_px: job.network.halo_px,
    },
    min_runs: null,
    seconds: task.seconds,
    rounds: task.rounds,
  };
}

function summary(job, rounds) {
  const times = rounds.flatMap((round) => round.times_ms);
  const images = job.parts?.images;
  const parts = images ? {
    copies: job.parts.copies / images, inference: job.parts.inference / images,
  } : {};
  return {
    ...blank('count', 'median_ms', 'mean_ms', 'min_ms', 'max_ms', 'std_ms', 'p5_ms', 'p90_ms',
      'p95_ms', 'p99_ms', 'spread_ms', 'interval_ms', 'throttling'),
    ...(times.length ? {...describe(times), spread_ms: deviation(times)} : {}),
    init_ms: job.initMs ?? null,
    first_ms: job.firstMs ?? null,
    warmup_ms: job.warmupMs ?? null,
    warmup_runs: job.warmupRuns ?? null,
    parts_ms: parts,
  };
}

function judged(job, rounds) {
  if (job.failed) return {verdict: 'failed', why: job.failed};
  if (!rounds.length) return {verdict: 'incomplete', why: 'There is no measured round.'};
  if (!job.full) {
    const why = `${job.delegate} took only a part of the graph; the CPU ran the rest.`;
    return {verdict: 'fell_back', why};
  }
  const why = unstable(rounds);
  if (why) return {verdict: 'unstable', why};
  if (rounds.length >= LEAST_ROUNDS) return {verdict: 'valid', why: ''};
  const few = `Rounds: ${rounds.length}. ${LEAST_ROUNDS} are the least that show how much the times vary.`;
  return {verdict: 'too_few', why: few};
}

function unstable(rounds) {
  const middles = rounds.map((round) => round.median_ms);
  const least = Math.min(...middles), most = Math.max(...middles);
  if (least > 0 && most > SPREAD * least) {
    return `The rounds took ${digits(least)} to ${digits(most)} ms: the slowest is ` +
      `${digits(most / least, 3)} times the fastest, more than ${SPREAD}.`;
  }
  const shares = rounds.map((round) =>
    (NORMAL * deviation(round.times_ms)) / Math.max(round.median_ms, 1e-9));
  const share = median(shares);
  const percent = (part) => Math.round(part * 100);
  return share <= DEVIATION ? '' : `The runs of a round deviate by ${percent(share)}% of their ` +
    `middle, more than ${percent(DEVIATION)}%.`;
}

/** A number with so many significant digits, without zeros at its end. */
export function digits(number, count = 4) {
  return String(Number(number.toPrecision(count)));
}

/** What the browser tells of the device; nothing is guessed. */
export async function deviceOf() {
  const data = navigator.userAgentData;
  const asked = ['model', 'platformVersion', 'architecture', 'bitness'];
  const told = (await data?.getHighEntropyValues?.(asked).catch(() => null)) ?? {};
  const system = data ? `${data.platform} ${told.platformVersion ?? ''}`.trim() : platform();
  return {
    ...blank('serial', 'manufacturer', 'soc', 'sdk', 'fingerprint', 'cpu', 'memory_mb'),
    model: told.model || null,
    abi: told.architecture ? `${told.architecture}-${told.bitness}` : null,
    android: data?.platform === 'Android' ? told.platformVersion || null : null,
    cores: navigator.hardwareConcurrency || null,
    system: system || null,
  };
}

/** The browser and its version, as it says them. */
export function browserName() {
  const brands = navigator.userAgentData?.brands ?? [];
  const brand = brands.find(({brand}) => !/not.?a.?brand/i.test(brand) && brand !== 'Chromium') ??
    brands.find(({brand}) => brand === 'Chromium');
  if (brand) return `${brand.brand} ${brand.version}`;
  const match = /(Firefox|FxiOS|CriOS|EdgiOS|Version)\/([\d.]+)/.exec(navigator.userAgent);
  if (!match) return navigator.userAgent.slice(0, 80);
  const names = {Version: 'Safari', FxiOS: 'Firefox', CriOS: 'Chrome', EdgiOS: 'Edge'};
  return `${names[match[1]] ?? match[1]} ${match[2]}`;
}

function platform() {
  const system = /\(([^)]*)\)/.exec(navigator.userAgent);
  return system ? system[1].slice(0, 80) : '';
}
