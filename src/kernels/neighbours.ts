/**
 * Distances to the nearest of a set of reference rows, exact. The rows are kept in the order of their distance from
 * the origin: two rows are at least as far apart as these distances differ, so the search starts beside the row in
 * question, goes outwards, and ends where nothing nearer can come.
 */
export interface Neighbours {
  readonly rows: number
  /**
   * Mean Euclidean distance from a point to its `k` nearest reference rows.
   *
   * @param k 1..rows; one less when `without` is given
   * @param without number of a reference row, as they came, that is not looked at; -1 for none
   */
  meanDistance(point: Float64Array, k: number, without: number): number
}

/** @param reference rows x lanes, row-major; squares of differences must not overflow */
export function createNeighbours(reference: Float64Array, lanes: number): Neighbours {
  const rows = reference.length / lanes
  const lengths = Float64Array.from({ length: rows }, (_, r) => lengthOf(reference, r * lanes, lanes))
  const order = Uint32Array.from(lengths, (_, r) => r).sort(
    (a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b,
  )
  const sorted = new Float64Array(reference.length)
  order.forEach((from, to) => {
    sorted.set(reference.subarray(from * lanes, (from + 1) * lanes), to * lanes)
  })
  const sortedLengths = Float64Array.from(order, (r) => lengths[r] as number)
  let nearest = new Float64Array(8)

  /** Squared distance, or something above `bound` as soon as it is known to be. */
  function squaredDistance(point: Float64Array, row: number, bound: number): number {
    let sum = 0
    let at = row * lanes
    let f = 0
    for (; f + 4 <= lanes; f += 4, at += 4) {
      const a = (point[f] as number) - (sorted[at] as number)
      const b = (point[f + 1] as number) - (sorted[at + 1] as number)
      const c = (point[f + 2] as number) - (sorted[at + 2] as number)
      const d = (point[f + 3] as number) - (sorted[at + 3] as number)
      sum += a * a + b * b + (c * c + d * d)
      if (sum >= bound) return sum
    }
    for (; f < lanes; f++, at++) {
      const a = (point[f] as number) - (sorted[at] as number)
      sum += a * a
    }
    return sum
  }

  function meanDistance(point: Float64Array, k: number, without: number): number {
    if (nearest.length < k) nearest = new Float64Array(k)
    nearest.fill(Number.POSITIVE_INFINITY, 0, k)
    const length = lengthOf(point, 0, lanes)
    let above = firstAbove(sortedLengths, length)
    let below = above - 1
    let bound = Number.POSITIVE_INFINITY
    for (;;) {
      const up = above < rows ? (sortedLengths[above] as number) - length : Number.POSITIVE_INFINITY
      const down = below >= 0 ? length - (sortedLengths[below] as number) : Number.POSITIVE_INFINITY
      const gap = Math.min(up, down)
      // A little slack, as the lengths are rounded.
      if (gap === Number.POSITIVE_INFINITY || gap * gap * (1 - 1e-12) > bound) break
      const row = up <= down ? above++ : below--
      if (order[row] === without) continue
      const distance = squaredDistance(point, row, bound)
      if (distance >= bound) continue
      let place = k - 1
      while (place > 0 && (nearest[place - 1] as number) > distance) {
        nearest[place] = nearest[place - 1] as number
        place--
      }
      nearest[place] = distance
      bound = nearest[k - 1] as number
    }
    let sum = 0
    for (let i = 0; i < k; i++) sum += Math.sqrt(nearest[i] as number)
    return sum / k
  }

  return { rows, meanDistance }
}

function lengthOf(values: Float64Array, start: number, lanes: number): number {
  let sum = 0
  for (let at = start; at < start + lanes; at++) sum += (values[at] as number) ** 2
  return Math.sqrt(sum)
}

/** Place of the first entry above `value` in ascending values. */
function firstAbove(sorted: Float64Array, value: number): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle] as number) <= value) from = middle + 1
    else to = middle
  }
  return from
}
