import { describe, expect, test } from 'vitest'
import {
  decodeForest,
  encodeForest,
  type Forest,
  joinTrees,
  viewForest,
} from '../../../../src/kernels/forest/forest.ts'
import { buildTree } from '../../../../src/kernels/forest/tree.ts'
import { createForestScorer } from '../../../../src/kernels/forest/walks/forest-scorer.ts'
import { createLinkedScorer } from '../../../../src/kernels/forest/walks/linked.ts'
import { addPathLengths } from '../../../../src/kernels/forest/walks/plain.ts'
import { rankedGeometry, rankedSize } from '../../../../src/kernels/forest/walks/ranked/geometry.ts'
import { layRanked, type RankedForest } from '../../../../src/kernels/forest/walks/ranked/layout.ts'
import { canRank, createRankedScorer, hasPieces } from '../../../../src/kernels/forest/walks/ranked/scorer.ts'
import {
  distinctThresholds,
  gridOf,
  groupTrees,
  thresholdRanks,
} from '../../../../src/kernels/forest/walks/ranked/thresholds.ts'
import {
  kindOf,
  operationBytes,
  type SelectedSide,
  selectionKindOf,
  sides,
  vectorRows,
} from '../../../../src/kernels/forest/walks/ranked/walk-code.ts'
import { createRankedKernel } from '../../../../src/kernels/forest/walks/ranked/wasm.ts'
import { averagePathLengths } from '../../../../src/kernels/path-length.ts'
import { createRandom } from '../../../../src/kernels/sampling/random.ts'
import { blockOf, drawnRows, hostileValues, normalRows, sampleFrom } from '../../blocks.ts'

const { NaN: missing, POSITIVE_INFINITY: infinity, MAX_VALUE: most, MIN_VALUE: least } = Number

/** Each tree grows from rows of its own, so that thresholds differ. */
function growForest(rowsOf: (tree: number) => number[][], trees: number, depthLimit: number): Forest {
  const grown = Array.from({ length: trees }, (_, k) => {
    const sample = sampleFrom(rowsOf(k))
    const candidates = Array.from({ length: sample.columns }, (_, f) => f)
    return buildTree({ sample, candidates, depthLimit, random: createRandom(9, k) })
  })
  const first = rowsOf(0)
  return joinTrees(grown, { psi: first.length, features: first[0]!.length, depthLimit })
}

/** The definition: the plain TypeScript walk. */
function twinSums(forest: Forest, rows: number[][]): number[] {
  const { values, stride } = blockOf(rows, forest.features)
  const sums = new Float64Array(rows.length)
  addPathLengths(forest, averagePathLengths(forest.psi), { values, stride, rows: rows.length }, sums)
  return [...sums]
}

/** The sums of the ranked walk, values as they are; `kernel` may have worked for others before. */
function rankedSums(
  forest: Forest,
  rows: number[][],
  kernel = createRankedKernel(),
  laid = layRanked(forest),
): number[] {
  kernel.load(laid)
  const sums = new Float64Array(rows.length)
  const { tileRows } = laid.size
  for (let start = 0; start < rows.length; start += tileRows) {
    const tile = rows.slice(start, start + tileRows)
    for (let f = 0; f < forest.features; f++) {
      kernel.values().set(tile.map((row) => row[f]!))
      kernel.rank(f, tile.length)
    }
    kernel.sumPathLengths(sums.subarray(start, start + tile.length))
  }
  return [...sums]
}

const extremes = [...hostileValues, missing, infinity, -infinity, least, -least, most, -most]

/** The kinds of the operations of every batch, in order. */
function kindsOf({ groups, bytes, size }: RankedForest): number[][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const { forest } = rankedGeometry(size)
  return groups
    .flatMap(({ batches }) => batches)
    .map(({ from, to }) =>
      Array.from({ length: (to - from) / operationBytes }, (_, i) =>
        view.getInt32(from - forest + i * operationBytes, true),
      ),
    )
}

describe('the ranked walk equals the plain twin in every bit', () => {
  test.each([
    { name: 'the usual forest', rows: 256, columns: 10, trees: 100, limit: 8, scored: 2500 },
    { name: 'one feature, many groups of trees', rows: 256, columns: 1, trees: 37, limit: 8, scored: 300 },
    { name: 'two features', rows: 256, columns: 2, trees: 21, limit: 8, scored: 300 },
    { name: 'three features and an odd limit', rows: 200, columns: 3, trees: 9, limit: 7, scored: 131 },
    { name: 'four features', rows: 256, columns: 4, trees: 50, limit: 8, scored: 300 },
    { name: 'features that are nowhere split', rows: 8, columns: 400, trees: 4, limit: 2, scored: 150 },
    { name: 'stumps', rows: 16, columns: 3, trees: 6, limit: 1, scored: 100 },
    { name: 'two rows a tree', rows: 2, columns: 2, trees: 5, limit: 1, scored: 20 },
    { name: '256 leaves a tree', rows: 256, columns: 1, trees: 3, limit: 32, scored: 400 },
    { name: '256 leaves a tree, several features', rows: 256, columns: 5, trees: 7, limit: 32, scored: 400 },
    {
      name: '256 thresholds in two trees, one more than a byte can rank among',
      rows: 129,
      columns: 1,
      trees: 2,
      limit: 32,
      scored: 400,
    },
    { name: 'trees in pieces', rows: 1024, columns: 5, trees: 9, limit: 10, scored: 700 },
    { name: 'trees in pieces, among others', rows: 300, columns: 3, trees: 10, limit: 14, scored: 300 },
    { name: 'deep trees', rows: 4096, columns: 10, trees: 6, limit: 12, scored: 2500 },
    { name: 'many nodes, in longer tiles', rows: 256, columns: 2, trees: 450, limit: 8, scored: 9000 },
    { name: 'one tree', rows: 64, columns: 3, trees: 1, limit: 6, scored: 100 },
    { name: 'one row to score', rows: 64, columns: 3, trees: 10, limit: 6, scored: 1 },
  ])('on $name', ({ rows, columns, trees, limit, scored }) => {
    const forest = growForest((k) => normalRows(rows, columns, k + 1), trees, limit)
    expect(canRank(forest)).toBe(true)
    const asked = normalRows(scored, columns, 2008)
    const expected = twinSums(forest, asked)
    expect(rankedSums(forest, asked)).toEqual(expected)
    if (hasPieces(forest)) return
    expect(rankedSums(forest, asked, createRankedKernel(), layRanked(forest, 128))).toEqual(expected)
  })

  test('on any number of trees and rows', () => {
    const kernel = createRankedKernel()
    for (let trees = 1; trees <= 9; trees++) {
      const forest = growForest((k) => normalRows(32, 3, k + 1), trees, trees)
      for (const count of [1, 7, 16, 127, 128, 129]) {
        const rows = normalRows(count, 3, 50 + trees)
        const expected = twinSums(forest, rows)
        for (const laid of [layRanked(forest), layRanked(forest, 128)])
          expect(rankedSums(forest, rows, kernel, laid)).toEqual(expected)
      }
    }
  })

  test('by every kind of operation that there can be', () => {
    // What is far outside is cut off first, so that above the pieces a side may be a single row, or two.
    const spread = (rows: number[][]) => rows.map((row) => row.map((value) => Math.sinh(4 * value)))
    const forests = [
      ...[2, 3, 4, 5, 8, 200].map((rows) => growForest((k) => normalRows(rows, 3, k + 1), 60, 32)),
      growForest((k) => spread(normalRows(700, 3, k + 1)), 12, 32),
    ]
    const seen = new Set<number>()
    for (const forest of forests) {
      const rows = spread(normalRows(150, 3, 2008))
      expect(rankedSums(forest, rows)).toEqual(twinSums(forest, rows))
      for (const kind of kindsOf(layRanked(forest)).flat()) seen.add(kind)
    }
    const above: [SelectedSide, SelectedSide][] = [
      ['leaf', 'slot'],
      ['pair', 'slot'],
      ['slot', 'leaf'],
      ['slot', 'pair'],
      ['slot', 'slot'],
    ]
    const all = sides.flatMap((left) => sides.map((right) => kindOf(left, right)))
    const order = (kinds: Iterable<number>) => [...kinds].sort((a, b) => a - b)
    expect(order(seen)).toEqual(order([...all, ...above.map((both) => selectionKindOf(...both))]))
  })

  test('on hostile values that are also the ones trained on, NaN and infinities among those scored', () => {
    for (let seed = 0; seed < 25; seed++) {
      for (const limit of [1, 2, 5, 9, 32]) {
        const forest = growForest((k) => drawnRows(100, 3, hostileValues, 100 * seed + k), 5, limit)
        const rows = drawnRows(200, 3, extremes, seed + 1000)
        expect(rankedSums(forest, rows)).toEqual(twinSums(forest, rows))
      }
    }
  })

  test('on rows that lie exactly on thresholds and just beside them', () => {
    for (const scale of [1, 1e-310, 1e300, 2 ** -1000]) {
      const scaled = (k: number) => normalRows(64, 2, k + 1).map((row) => row.map((value) => value * scale))
      const forest = growForest(scaled, 10, 6)
      const rows = [...forest.thresholds].flatMap((threshold) => {
        const step = Math.max(least, Math.abs(threshold) * 2 ** -52)
        return [threshold, threshold + step, threshold - step].map((value) => [value, value])
      })
      expect(rankedSums(forest, rows)).toEqual(twinSums(forest, rows))
    }
  })

  test('on thresholds that crowd in a corner of their range', () => {
    const tail = (k: number) => normalRows(256, 2, k + 1).map((row) => row.map((value) => Math.exp(25 * value)))
    const forest = growForest(tail, 40, 8)
    const rows = [...tail(99), ...tail(100), [-1, 0], [most, least]]
    expect(rankedSums(forest, rows)).toEqual(twinSums(forest, rows))
    const crowded = distinctThresholds(forest).map((thresholds) => gridOf(thresholds).firstStep)
    expect(Math.max(...crowded)).toBeGreaterThan(64)
  })

  test('on trees that are only a root, among others', () => {
    const forest = growForest((k) => (k % 3 === 0 ? Array(16).fill([1, 2]) : normalRows(16, 2, k)), 7, 4)
    const rows = normalRows(40, 2, 5)
    const expected = twinSums(forest, rows)
    for (const laid of [layRanked(forest), layRanked(forest, 128)])
      expect(rankedSums(forest, rows, createRankedKernel(), laid)).toEqual(expected)
  })

  test('for forests of different shapes in turns in one memory', () => {
    const kernel = createRankedKernel()
    const forests = [1, 7, 2, 300, 3].map((columns) => growForest((k) => normalRows(64, columns, k + columns), 6, 6))
    for (const forest of [...forests, ...forests.reverse()]) {
      const rows = normalRows(200, forest.features, 77)
      expect(rankedSums(forest, rows, kernel)).toEqual(twinSums(forest, rows))
    }
  })

  test('and a forest begins with a clean buffer, whatever lay there', () => {
    const kernel = createRankedKernel()
    for (const columns of [300, 200]) {
      kernel.load(layRanked(growForest((k) => normalRows(16, columns, k), 2, 4)))
      kernel.values().set([1])
      expect(kernel.isFinite(1)).toBe(true)
      kernel.values().fill(missing)
      expect(kernel.isFinite(1)).toBe(false)
    }
  })
})

describe('ranks', () => {
  const forest = growForest((k) => normalRows(256, 2, k + 1), 20, 8)
  const distinct = distinctThresholds(forest)

  test('zeros of both signs are one threshold', () => {
    const zeros = { ...forest, features: 1, splits: Int32Array.of(0, 0, 0), thresholds: Float64Array.of(0, -0, 1) }
    expect(distinctThresholds(zeros).map((column) => column.length)).toEqual([2])
  })

  test('a bucket says how many thresholds are below it, and the search covers the fullest', () => {
    for (const thresholds of distinct) {
      const { origin, scale, entries, firstStep } = gridOf(thresholds)
      const buckets = [...thresholds].map((threshold) => Math.round((threshold - origin) * scale))
      for (const [i, bucket] of buckets.entries()) {
        const begin = entries[bucket]! >> 1
        expect(begin).toBe(buckets.indexOf(bucket))
        expect(begin + 2 * firstStep - 1).toBeGreaterThan(i)
        expect(entries[bucket]! & 1).toBe(buckets.filter((other) => other === bucket).length > 1 ? 1 : 0)
      }
    }
  })

  /** A tree for each threshold, whose path is longer by one for what is not above. */
  const stumpsOf = (thresholds: readonly number[]) => {
    const stump = (threshold: number) => ({
      ...{ features: Int32Array.of(0, -1, -1), thresholds: Float64Array.of(threshold, 0, 0) },
      links: Uint32Array.of(2, 2, 1),
    })
    return joinTrees(thresholds.map(stump), { psi: 3, features: 1, depthLimit: 1 })
  }
  const spread = (count: number) => Array.from({ length: count }, (_, i) => i + ((i * 7919) % 100) / 150)
  test.each([
    { name: 'one', thresholds: [3], searchAll: false },
    { name: 'two', thresholds: [-1, 1], searchAll: false },
    { name: 'two with nothing in between', thresholds: [1, 1 + 2 ** -52], searchAll: false },
    { name: 'zero and the least numbers', thresholds: [-least, 0, least], searchAll: true },
    { name: 'as far apart as can be', thresholds: [-most, 0, most], searchAll: true },
    { name: 'as many as a byte ranks among', thresholds: spread(255), searchAll: false },
    { name: 'one more', thresholds: spread(256), searchAll: false },
    {
      name: 'some in crowded buckets',
      thresholds: [...spread(100), 7.1, 7.101, 7.102, 7.103, 50.9, 50.901],
      searchAll: false,
    },
    {
      name: 'some in crowded buckets, many',
      thresholds: [...spread(400), 7.1, 7.101, 7.102, 50.9, 50.901],
      searchAll: false,
    },
    { name: 'all but two in one bucket', thresholds: [...spread(100).map((t) => t * 1e-9), 1, 2], searchAll: true },
    { name: 'most in few buckets', thresholds: spread(300).map((t) => Math.exp(t / 4)), searchAll: true },
    { name: 'more than fine buckets', thresholds: spread(12_000), searchAll: true },
  ])('are counts of thresholds below: $name', ({ thresholds, searchAll }) => {
    const sorted = Float64Array.from(thresholds).sort()
    expect(gridOf(sorted).searchAll).toBe(searchAll)
    const stumps = stumpsOf([...sorted])
    const step = (t: number) => Math.max(least, Math.abs(t) * 2 ** -52)
    const some = sorted.filter((_, i) => i % Math.ceil(sorted.length / 500) === 0)
    const near = [...some].flatMap((t) => [t, t + step(t), t - step(t)])
    const between = [...some].map((t, i) => t / 2 + (some[i + 1] ?? t) / 2)
    const values = [...near, ...between, ...extremes]
    const below = values.map((value) => sorted.filter((threshold) => value > threshold).length)
    const asked = values.map((value) => [value])
    expect(rankedSums(stumps, asked)).toEqual(below.map((count) => 2 * sorted.length - count))
  })

  test('an entry counts as many thresholds as a feature may have', () => {
    const grow = (trees: number) => stumpsOf(Array.from({ length: trees }, (_, threshold) => threshold))
    expect(canRank(grow(32_768))).toBe(false)
    const most = grow(32_767)
    expect(canRank(most)).toBe(true)
    const asked = [-1, 0, 0.5, 16_384, 32_765.5, 32_766, 32_766.5, infinity].map((value) => [value])
    expect(rankedSums(most, asked)).toEqual(
      asked.map(([x]) => 2 * 32_767 - Math.min(32_767, Math.max(0, Math.ceil(x!)))),
    )
  })

  test('say what is not finite, and at times that they do not know', () => {
    const kernel = createRankedKernel()
    const laid = layRanked(growForest((k) => normalRows(64, 2, k + 1), 5, 6))
    kernel.load(laid)
    const { tileRows } = laid.size
    for (const searchAll of [false, true]) {
      for (const grid of laid.grids) Object.assign(grid!, { searchAll })
      for (const bad of [missing, infinity, -infinity]) {
        for (const at of [0, 7, 8, 1001, tileRows - 1]) {
          kernel.values().fill(1.5)
          expect(kernel.rank(0, tileRows)).toBe(true)
          kernel.values()[at] = bad
          expect(kernel.rank(0, tileRows)).toBe(false)
          expect(kernel.isFinite(tileRows)).toBe(false)
        }
      }
      kernel.values().fill(most)
      expect(kernel.rank(0, tileRows)).toBe(false)
      expect(kernel.isFinite(tileRows)).toBe(true)
    }
  })

  test('groups are consecutive, complete, as few as can be, and keep the order of thresholds', () => {
    const ranks = thresholdRanks(forest, distinct)
    const groups = groupTrees(forest, distinct, ranks)
    expect(groups.length).toBeGreaterThan(1)
    expect(groups.map(({ from }) => from)).toEqual([0, ...groups.slice(0, -1).map(({ to }) => to)])
    expect(groups.at(-1)!.to).toBe(forest.trees)
    const thresholdsOf = (from: number, to: number, feature: number) => {
      const nodes = [...forest.splits.keys()].slice(forest.offsets[from], forest.offsets[to])
      return new Set(nodes.filter((i) => forest.splits[i] === feature).map((i) => forest.thresholds[i]!))
    }
    for (const { from, to, maps } of groups) {
      for (const feature of [0, 1]) {
        const own = thresholdsOf(from, to, feature)
        expect(own.size).toBeLessThanOrEqual(255)
        const below = [...distinct[feature]!, infinity].map((value) => [...own].filter((t) => t < value).length - 128)
        expect([...maps[feature]!]).toEqual(below)
      }
      const isFull = to === forest.trees || [0, 1].some((feature) => thresholdsOf(from, to + 1, feature).size > 255)
      expect(isFull).toBe(true)
    }
  })

  test('a forest of many nodes has longer tiles', () => {
    expect(rankedSize(10, 50_000).tileRows).toBe(2048)
    expect(rankedSize(10, 50_001).tileRows).toBe(8192)
    // As the one above that is said to have them.
    expect(layRanked(growForest((k) => normalRows(256, 2, k + 1), 450, 8)).size.tileRows).toBe(8192)
  })

  test('a tile has a bounded number of ranks, and is never empty', () => {
    for (const features of [1, 10, 100, 1000, 65_535]) {
      for (const nodes of [3, 13_000, 500_000]) {
        const { tileRows } = rankedSize(features, nodes, Number.POSITIVE_INFINITY)
        expect(tileRows % vectorRows).toBe(0)
        expect(tileRows).toBeGreaterThanOrEqual(vectorRows)
        expect(tileRows === vectorRows || tileRows * features <= 2 * 1024 * 1024).toBe(true)
      }
    }
  })
})

const reader = { read: decodeForest, view: viewForest }

describe('the scorer', () => {
  const forest = growForest((k) => normalRows(64, 3, k + 1), 10, 6)
  const payload = encodeForest(forest)
  const clean = normalRows(5000, 3, 7)
  const hostile = clean.map((row, r) =>
    row.map((value, f) => ((r + f) % 7 === 0 ? extremes[r % extremes.length]! : value)),
  )

  function scoreWith(
    scorer: { score(input: Parameters<ReturnType<typeof createForestScorer>['score']>[0]): unknown },
    rows: number[][],
    { key = 'a', bytes = payload, fill = null as Float64Array | null, from = 0, to = rows.length } = {},
  ) {
    const scores = new Float64Array(rows.length).fill(-1)
    const flags = new Uint8Array(rows.length)
    const done = scorer.score({ key, payload: bytes, block: blockOf(rows), from, to, fill, scores, flags })
    return { done, scores: [...scores], flags: [...flags] }
  }

  test.each([
    { name: 'finite rows', rows: clean, options: {} },
    { name: 'hostile rows', rows: hostile, options: {} },
    { name: 'hostile rows that are filled', rows: hostile, options: { fill: Float64Array.of(0.1, -0.2, 3) } },
    { name: 'some rows of a block', rows: hostile, options: { from: 33, to: 4711 } },
  ])('gives the scores and flags of the other kernel on $name', ({ rows, options }) => {
    const ranked = scoreWith(createRankedScorer(decodeForest, 1), rows, options)
    const walked = scoreWith(createLinkedScorer(decodeForest, 1), rows, options)
    expect(ranked.done).toBe(true)
    expect(ranked).toEqual(walked)
  })

  test('scores a row the same whatever the number of rows beside it and before it', () => {
    const scorer = createForestScorer(reader)
    const { scores } = scoreWith(scorer, clean)
    for (let round = 0; round < 8; round++) {
      for (const count of [1, 95, 96, 97, 2048, 2049, 5000]) {
        expect(scoreWith(scorer, clean.slice(0, count)).scores).toEqual(scores.slice(0, count))
      }
    }
  })

  test.each([
    { name: 'more than 255 thresholds of a feature in a tree', forest: growForest(() => normalRows(300, 1), 3, 32) },
    { name: 'more nodes than are worth looking at', forest: growForest(() => normalRows(4096, 12), 6, 32) },
    { name: 'two trees', forest: growForest(() => normalRows(16, 7), 2, 4) },
    { name: 'too many bytes', forest: growForest((k) => normalRows(256, 1, k + 1), 600, 8) },
  ])('leaves a forest with $name alone, for good', ({ forest }) => {
    const scorer = createRankedScorer(decodeForest, 1)
    const rows = normalRows(200, forest.features)
    for (let call = 0; call < 2; call++) {
      const { done, scores } = scoreWith(scorer, rows, { bytes: encodeForest(forest) })
      expect(done).toBe(false)
      expect(scores.every((score) => score === -1)).toBe(true)
    }
    const whole = scoreWith(createForestScorer(reader), rows, { bytes: encodeForest(forest) })
    const walked = scoreWith(createLinkedScorer(decodeForest, 1), rows, { bytes: encodeForest(forest) })
    expect({ ...whole, done: undefined }).toEqual({ ...walked, done: undefined })
  })

  test('prepares a forest when enough rows came for it, and gives the same bits before and after', () => {
    const calls: string[] = []
    const note = (name: string) => (bytes: Uint8Array) => {
      calls.push(name)
      return name === 'view' ? viewForest(bytes) : decodeForest(bytes)
    }
    const scorer = createForestScorer({ read: note('read'), view: note('view') })
    const { scores } = scoreWith(createLinkedScorer(decodeForest, 1), hostile)
    const call = (rows: number) => scoreWith(scorer, hostile.slice(0, rows)).scores
    for (let calls = 0; calls < 5; calls++) expect(call(100)).toEqual(scores.slice(0, 100))
    expect(calls).toEqual(['read', 'view', 'view', 'view', 'view'])
    // 512 rows prepare the one kernel, some ten thousand the other.
    for (let calls = 0; calls < 30; calls++) expect(call(700)).toEqual(scores.slice(0, 700))
    expect(calls.slice(5)).toEqual(['read', 'read'])
  })

  test('leaves few rows of a forest in pieces alone', () => {
    const scorer = createRankedScorer(decodeForest, 1)
    const bytes = encodeForest(growForest((k) => normalRows(300, 3, k + 1), 5, 14))
    expect(scoreWith(scorer, clean.slice(0, 1023), { bytes }).done).toBe(false)
    const { done, scores } = scoreWith(scorer, clean.slice(0, 1024), { bytes })
    expect(done).toBe(true)
    expect(scores).toEqual(scoreWith(createLinkedScorer(decodeForest, 1), clean.slice(0, 1024), { bytes }).scores)
  })

  test('keeps a bounded number of forests, each read once while it is kept', () => {
    let reads = 0
    const scorer = createRankedScorer((bytes) => {
      reads++
      return decodeForest(bytes)
    }, 1)
    const large = growForest((k) => normalRows(256, 4, k + 1), 300, 8)
    const bytes = encodeForest(large)
    const keptForests = Math.floor((48 * 1024 * 1024) / layRanked(large).bytes.byteLength)
    expect(keptForests).toBeGreaterThan(2)
    const rows = normalRows(100, 4)
    const first = scoreWith(scorer, rows, { key: 'forest 0', bytes }).scores
    for (let k = 1; k < keptForests; k++) scoreWith(scorer, rows, { key: `forest ${k}`, bytes })
    expect(scoreWith(scorer, rows, { key: 'forest 0', bytes }).scores).toEqual(first)
    expect(reads).toBe(keptForests)
    // The next ones push out those used longest ago, of which `forest 0` is none.
    scoreWith(scorer, rows, { key: 'one more', bytes })
    scoreWith(scorer, rows, { key: 'forest 0', bytes })
    expect(reads).toBe(keptForests + 1)
    scoreWith(scorer, rows, { key: 'forest 1', bytes })
    expect(reads).toBe(keptForests + 2)
  })
})
