import type { Forest } from '../../index.ts'
import { lowestRank, roundingShift } from './values-code.ts'

/** Thresholds of a feature that a byte can rank among: 256 ranks. */
export const maxByteThresholds = 255
/** Thresholds of a feature that an entry of a grid can count, see `rankValues`. */
export const maxThresholds = 32_767
/** Buckets for each threshold of a grid where most have one threshold or none, and the most such buckets: a part of the first-level cache. */
const finePerThreshold = 16
const maxFineBuckets = 8192
/** With a greater share of the thresholds in crowded buckets, so many values are there that to search for all of them is faster. */
const maxCrowded = 1 / 4
/** Buckets for each threshold where all values are searched for: with more, a search is shorter by a step, and the cache has less room for others. */
const coarsePerThreshold = 2

/** How many nodes split each feature. */
export function countPerFeature(splits: Int32Array, features: number): Uint32Array {
  const counts = new Uint32Array(features)
  for (const feature of splits) if (feature >= 0) counts[feature] = counts[feature]! + 1
  return counts
}

/** The distinct thresholds of every feature, ascending. */
export function distinctThresholds({ features, splits, thresholds }: Forest): Float64Array[] {
  const counts = countPerFeature(splits, features)
  const columns = Array.from(counts, (count) => new Float64Array(count))
  for (let i = splits.length - 1; i >= 0; i--) {
    const feature = splits[i]!
    if (feature < 0) continue
    counts[feature]! -= 1
    columns[feature]![counts[feature]!] = thresholds[i]!
  }
  // Zeros of both signs are one threshold: nothing lies between them.
  return columns.map((column) => column.sort().filter((value, i) => i === 0 || value !== column[i - 1]))
}

/** The place of every node's threshold among the distinct ones of its feature; 0 for leaves. */
export function thresholdRanks(forest: Forest, distinct: readonly Float64Array[]): Uint32Array {
  const { splits, thresholds } = forest
  const ranks = new Uint32Array(splits.length)
  for (let i = 0; i < splits.length; i++) {
    const feature = splits[i]!
    if (feature >= 0) ranks[i] = countBelow(distinct[feature] as Float64Array, thresholds[i]!)
  }
  return ranks
}

function countBelow(sorted: Float64Array, value: number): number {
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Cuts the trees into groups, each as long as it can be: trees from..to-1, which have at most 255 distinct thresholds of each feature.
 * `maps` has per feature, for every rank among all thresholds, that among the thresholds of these trees, from `lowestRank`. No tree may
 * have more than 255 thresholds of a feature.
 */
export function groupTrees(forest: Forest, distinct: readonly Float64Array[], ranks: Uint32Array) {
  const { trees, offsets, splits } = forest
  const groups: { from: number; to: number; maps: Int8Array<ArrayBuffer>[] }[] = []
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
      for (let i = offsets[t]!; fits && i < offsets[t + 1]!; i++) {
        const feature = splits[i]!
        if (feature < 0) continue
        const column = used[feature] as Uint8Array
        if (column[ranks[i]!] === 1) continue
        column[ranks[i]!] = 1
        added.push(i)
        counts[feature]! += 1
        fits = counts[feature]! <= maxByteThresholds
      }
      if (!fits) for (const i of added) (used[splits[i]!] as Uint8Array)[ranks[i]!] = 0
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

/**
 * The grid over ascending distinct thresholds, from 1 to 32,767 of them, by which a value finds its rank: see `rankValues`.
 * `entries` has for each bucket twice the number of thresholds in lower ones, and 1 more where it has several itself; `firstStep` is half
 * of the range that is searched, a power of two; `searchAll` says whether to search for all values.
 */
export function gridOf(thresholds: Float64Array) {
  const count = thresholds.length
  const fine = fillGrid(thresholds, Math.max(2, Math.min(maxFineBuckets, finePerThreshold * count)))
  if (fine.crowded <= maxCrowded * count) return { ...fine, searchAll: false }
  return { ...fillGrid(thresholds, 2 ** Math.ceil(Math.log2(coarsePerThreshold * count))), searchAll: true }
}

/** A grid of so many buckets, and how many thresholds are not alone in theirs. */
function fillGrid(thresholds: Float64Array, buckets: number) {
  const origin = thresholds[0]!
  // Infinite for one threshold, 0 where the range is too wide for a double: then few buckets are used, and nothing is wrong.
  const grid = { origin, scale: (buckets - 1) / (thresholds[thresholds.length - 1]! - origin) }
  const counts = new Uint32Array(buckets)
  for (const threshold of thresholds) {
    counts[bucketOf(threshold, grid, buckets - 1)]! += 1
  }
  const entries = new Uint16Array(buckets)
  let [below, most, crowded] = [0, 1, 0]
  counts.forEach((own, bucket) => {
    entries[bucket] = 2 * below + (own > 1 ? 1 : 0)
    below += own
    most = Math.max(most, own)
    if (own > 1) crowded += own
  })
  return { ...grid, entries, firstStep: 2 ** Math.floor(Math.log2(most)), crowded }
}

/** The same arithmetic as in the kernel, where NaN and what lies below are in bucket 0. */
function bucketOf(value: number, { origin, scale }: { origin: number; scale: number }, last: number): number {
  const place = (value - origin) * scale
  const inside = place > 0 ? Math.min(place, last) : 0
  return inside + roundingShift - roundingShift
}
