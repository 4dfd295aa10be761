/** What is measured along one axis, and whether it grows as it should. */

/** A measure of an axis: its key in the figures, and how it should grow. */
export interface Measure {
  readonly key: string
  /** What the line is called in the chart. */
  readonly line: 'training' | 'scoring' | 'service'
  readonly unit: 's' | 'processor s' | 'MiB' | 'requests/s' | 'p99 ms' | 'main thread us'
  /** The exponent that the design promises where fixed costs no longer matter: 1 in proportion, 0 not at all. */
  readonly expected: number
}

/** One size along an axis, and the figure of each measure there, by key. */
export interface Point {
  readonly size: number
  readonly figures: Readonly<Record<string, number>>
}

export interface Axis {
  readonly name: string
  /** What else is fixed while the size grows. */
  readonly fixed: string
  readonly measures: readonly Measure[]
  /** Measures every size, in ascending order; `large` adds sizes that take minutes and gigabytes. */
  run(large: boolean): Promise<readonly Point[]>
}

export interface Slope {
  /** Exponent over the upper half of the sizes: least squares of log figure over log size. */
  readonly upperHalf: number
  /** Exponents from each size to the next: where they differ, the line bends. */
  readonly steps: readonly number[]
}

/** How one measure grows; needs at least two points with figures above 0, in ascending order of size. */
export function slopeOf(points: readonly Point[], key: string): Slope {
  const logs = points.map(({ size, figures }) => [Math.log(size), Math.log(figures[key]!)] as const)
  const exponent = (part: typeof logs) => {
    const [meanX, meanY] = [0, 1].map((n) => part.reduce((sum, pair) => sum + pair[n]!, 0) / part.length) as [
      number,
      number,
    ]
    const covariance = part.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
    return covariance / part.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  }
  return {
    upperHalf: exponent(logs.slice(Math.min(logs.length - 2, logs.length >> 1))),
    steps: logs.slice(1).map((pair, n) => exponent([logs[n]!, pair])),
  }
}
