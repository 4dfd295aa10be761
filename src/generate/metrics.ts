/** The metrics of a generated host, in the order of the columns. Units stand in the names. */
export const metricNames = [
  'cpu_percent',
  'load',
  'memory_percent',
  'disk_busy_percent',
  'network_in_mbps',
  'network_out_mbps',
  'latency_ms',
  'errors_per_minute',
] as const
export type Metric = (typeof metricNames)[number]

/** Values are rounded to 1 / scale, as agents do. */
export const metricScales: readonly number[] = [100, 100, 100, 100, 1000, 1000, 1000, 1]
