import type { Forest } from './forest.ts'
import { lowestRank, roundingShift } from './ranked-values-code.ts'

/** Thresholds of a feature that a byte can rank among: 256 ranks. */
export const mostByteThresholds = 255
/** Thresholds of a feature that two bytes can rank among. */
export const mostThresholds = 65_535
/**
 * Buckets of a grid for each threshold: 8 save a step of the search and are as fast on a quiet core; where a neighbour
 * takes its share of the cache they cost up to a third more.
 */
const bucketsPerThreshold = 2
const mostBuckets = 65_536

/** The distinct thresholds of every feature, ascending. */
export function distinctThresholds({ features, splits, thresholds }: Forest): Float64Array[] {
  const counts = new Uint32Array(features)
  for (const feature of splits) if (feature >= 0) counts[feature] = (counts[feature] as number) + 1
  const lanes = Array.from(counts, (count) => new Float64Array(count))
  for (let i = splits.length - 1; i >= 0; i--) {
    const feature = splits[i] as number
    if (feature < 0) continue
    const place = (counts[feature] as number) - 1
    counts[feature] = place
    const lane = lanes[feature] as Float64Array
    lane[place] = thresholds[i] as number
  }
  // Zeros of both signs are one threshold: nothing lies between them.
  return lanes.map((lane) => lane.sort().filter((value, i) => i === 0 || value !== lane[i - 1]))
}

/** The place of every node's threshold among the distinct ones of its feature; 0 for leaves. */
export function thresholdRanks(forest: Forest, distinct: readonly Float64Array[]): Uint32Array {
  const { splits, thresholds } = forest
  const ranks = new Uint32Array(splits.length)
  for (let i = 0; i < splits.length; i++) {
    const feature = splits[i] as number
    if (feature >= 0) ranks[i] = countBelow(distinct[feature] as Float64Array, thresholds[i] as number)
  }
  return ranks
}

function countBelow(sorted: Float64Array, value: number): number {
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Trees from..to-1, which have at most 255 distinct thresholds of each feature. */
export interface TreeGroup {
  readonly from: number
  readonly to: number
  /** Per feature: for every rank among all thresholds, that among the thresholds of these trees, from `lowestRank`. */
  readonly maps: readonly Int8Array<ArrayBuffer>[]
}

/** Cuts the trees into groups, each as long as it can be. No tree may have more than 255 thresholds of a feature. */
export function groupTrees(forest: Forest, distinct: readonly Float64Array[], ranks: Uint32Array): TreeGroup[] {
  const { trees, offsets, splits } = forest
  const groups: TreeGroup[] = []
  for (let from = 0; from < trees; ) {
    const used = distinct.map(({ length }) => new Uint8Array(length))
    const counts = new Uint32Array(distinct.length)
    let to = from
    while (to < trees && takes(to)) to++
    groups.push({ from, to, maps: used.map(mapOf) })
    from = to

    /** Whether the tree fits in; its thresholds are then marked as used. */
    function takes(t: number): boolean {
      const added: number[] = []
      let fits = true
      for (let i = offsets[t] as number; fits && i < (offsets[t + 1] as number); i++) {
        const feature = splits[i] as number
        if (feature < 0) continue
        const lane = used[feature] as Uint8Array
        if (lane[ranks[i] as number] === 1) continue
        lane[ranks[i] as number] = 1
        added.push(i)
        counts[feature] = (counts[feature] as number) + 1
        fits = (counts[feature] as number) <= mostByteThresholds
      }
      if (!fits) for (const i of added) (used[splits[i] as number] as Uint8Array)[ranks[i] as number] = 0
      return fits
    }
  }
  return groups
}

function mapOf(used: Uint8Array): Int8Array<ArrayBuffer> {
  const map = new Int8Array(used.length + 1)
  let rank = lowestRank
  for (let i = 0; i <= used.length; i++) {
    map[i] = rank
    if (used[i] === 1) rank++
  }
  return map
}

/** How a value finds its rank among thresholds: see `rankValues`. */
export interface Grid {
  readonly origin: number
  readonly scale: number
  /** The number of thresholds in lower buckets, for each bucket. */
  readonly buckets: Uint16Array<ArrayBuffer>
  /** Half of the range that is searched, a power of two. */
  readonly firstStep: number
}

/** The grid over ascending distinct thresholds, from 1 to 65,535 of them. */
export function gridOf(thresholds: Float64Array): Grid {
  const count = thresholds.length
  const origin = thresholds[0] as number
  const length = Math.min(mostBuckets, 2 ** Math.ceil(Math.log2(bucketsPerThreshold * count)))
  // Infinite for one threshold, 0 where the range is too wide for a double: then few buckets are used, and nothing is wrong.
  const grid = { origin, scale: (length - 1) / ((thresholds[count - 1] as number) - origin) }
  const counts = new Uint32Array(length)
  for (const threshold of thresholds) {
    const bucket = bucketOf(threshold, grid, length - 1)
    counts[bucket] = (counts[bucket] as number) + 1
  }
  const buckets = new Uint16Array(length)
  let below = 0
  let most = 1
  for (let b = 0; b < length; b++) {
    buckets[b] = below
    below += counts[b] as number
    most = Math.max(most, counts[b] as number)
  }
  return { ...grid, buckets, firstStep: 2 ** Math.floor(Math.log2(most)) }
}

/** The same arithmetic as in the kernel, where NaN and what lies below are in bucket 0. */
function bucketOf(value: number, { origin, scale }: { origin: number; scale: number }, last: number): number {
  const place = (value - origin) * scale
  const inside = place > 0 ? Math.min(place, last) : 0
  return inside + roundingShift - roundingShift
}
