// What can be said of a sample of times, as lpie/benchmarks/records/statistics.py says it
// (tests/golden/statistics.json holds both).

export function median(values) {
  const ordered = sorted(values);
  const middle = ordered.length >> 1;
  return ordered.length % 2 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** The smallest value that `percent` of all do not exceed (nearest rank). */
export function percentile(values, percent) {
  const ordered = sorted(values);
  return ordered[Math.max(Math.ceil((percent / 100) * ordered.length), 1) - 1];
}

/** The median absolute deviation from the median, not scaled. */
export function deviation(values) {
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle)));
}

export function describe(times) {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const squares = times.reduce((sum, time) => sum + (time - mean) ** 2, 0);
  return {
    count: times.length,
    median_ms: median(times),
    mean_ms: mean,
    min_ms: Math.min(...times),
    max_ms: Math.max(...times),
    std_ms: Math.sqrt(squares / times.length),
    p5_ms: percentile(times, 5),
    p90_ms: percentile(times, 90),
    p95_ms: percentile(times, 95),
    p99_ms: percentile(times, 99),
  };
}

function sorted(values) {
  return Float64Array.from(values).sort();
}
