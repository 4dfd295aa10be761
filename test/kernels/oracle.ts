/** Numbers that look like telemetry and are the same in every language; figures of rivals in the tests are for these. */
export function wave(i: number, j: number): number {
  return Math.sin(i * 12.9898 + j * 78.233) * (j + 1) + 0.5 * Math.sin(i * 0.37) * (j % 2 ? 1 : -1)
}

/** Rows first..first+count-1 with so many lanes. */
export function waves(count: number, lanes: number, first = 0): number[][] {
  return Array.from({ length: count }, (_, i) => Array.from({ length: lanes }, (__, j) => wave(i + first, j)))
}
