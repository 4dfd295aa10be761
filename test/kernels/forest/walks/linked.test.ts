import { describe, expect, test, vi } from 'vitest'
import { decodeForest, encodeForest, type Forest, joinTrees, treeOf } from '../../../../src/kernels/forest/forest.ts'
import { buildTree, type Tree } from '../../../../src/kernels/forest/tree.ts'
import {
  createLinkedKernel,
  createLinkedScorer,
  layLinked,
  linkedBytes,
} from '../../../../src/kernels/forest/walks/linked.ts'
import { addPathLengths } from '../../../../src/kernels/forest/walks/plain.ts'
import { rankedMemoryBytes } from '../../../../src/kernels/forest/walks/ranked/wasm.ts'
import { createForestWalk, layForest } from '../../../../src/kernels/forest/walks/small-batch.ts'
import {
  anomalyScore,
  averagePathLength,
  averagePathLengths,
  scoreFactor,
} from '../../../../src/kernels/path-length.ts'
import { createRandom } from '../../../../src/kernels/sampling/random.ts'
import { blockOf, drawnRows, hostileValues, normalRows, rowOf, sampleFrom } from '../../blocks.ts'

/** The brute-force twin: objects and recursion, written from the paper and not from the kernels. */
interface Node {
  feature: number
  threshold: number
  left?: Node
  right?: Node
  size: number
}

function toObjects(tree: Tree, i = 0): Node {
  const feature = tree.features[i]!
  if (feature < 0) return { feature, threshold: 0, size: tree.links[i]! }
  const [left, right] = [toObjects(tree, i + 1), toObjects(tree, tree.links[i]!)]
  return { feature, threshold: tree.thresholds[i]!, left, right, size: left.size + right.size }
}

function pathLength(node: Node, row: readonly number[], depth = 0): number {
  if (!node.left || !node.right) return depth + averagePathLength(node.size)
  return pathLength(row[node.feature]! > node.threshold ? node.right : node.left, row, depth + 1)
}

function growForest(rows: number[][], trees: number, depthLimit: number): Forest {
  const sample = sampleFrom(rows)
  const candidates = Array.from({ length: sample.columns }, (_, f) => f)
  const grown = Array.from({ length: trees }, (_, k) =>
    buildTree({ sample, candidates, depthLimit, random: createRandom(9, k) }),
  )
  return joinTrees(grown, { psi: rows.length, features: sample.columns, depthLimit })
}

/** The sums of the WebAssembly kernel. */
function fastSums(forest: Forest, rows: number[][]): Float64Array {
  const kernel = createLinkedKernel()
  const laid = layLinked(forest, new Uint8Array(linkedBytes(forest)))
  kernel.load(laid)
  const { tileRows } = laid.shape
  const sums = new Float64Array(rows.length)
  for (let start = 0; start < rows.length; start += tileRows) {
    const together = rows.slice(start, start + tileRows)
    together.forEach((row, r) => {
      for (let f = 0; f < forest.features; f++) kernel.tile()[f * tileRows + r] = row[f]!
    })
    kernel.addPathLengths(sums, start, together.length)
  }
  return sums
}

/** All three must agree to the bit on every row. */
function expectTwins(forest: Forest, rows: number[][]): void {
  const block = blockOf(rows, forest.features)
  const twin = new Float64Array(rows.length)
  const tile = { values: block.values, stride: block.stride, rows: rows.length }
  addPathLengths(forest, averagePathLengths(forest.psi), tile, twin)
  const roots = Array.from({ length: forest.trees }, (_, t) => toObjects(treeOf(forest, t)))
  const sums = rows.map((row) => roots.reduce((sum, root) => sum + pathLength(root, row), 0))
  expect([...twin]).toEqual(sums)
  expect([...fastSums(forest, rows)]).toEqual(sums)
  const scores = new Float64Array(rows.length)
  const flags = new Uint8Array(rows.length)
  const input = { key: 'a', payload: encodeForest(forest), block, from: 0, to: rows.length, fill: null, scores, flags }
  createLinkedScorer(decodeForest, 1).score(input)
  expect([...scores]).toEqual(sums.map((sum) => anomalyScore(sum, scoreFactor(forest.trees, forest.psi))))
  for (const score of scores) expect(score > 0 && score <= 1).toBe(true)
  const laid = layForest(forest)
  if (laid) {
    const again = new Float64Array(rows.length)
    createForestWalk(laid)({ ...input, scores: again })
    expect([...again]).toEqual([...scores])
  }
}

describe('both kernels equal the brute-force twin', () => {
  test.each([
    { name: 'two rows a tree', rows: 2, columns: 1, trees: 3, limit: 1, scored: 20 },
    { name: 'one row to score', rows: 16, columns: 2, trees: 5, limit: 4, scored: 1 },
    { name: 'the usual forest', rows: 256, columns: 10, trees: 100, limit: 8, scored: 700 },
    { name: 'a few rows', rows: 256, columns: 10, trees: 20, limit: 8, scored: 9 },
    { name: 'one feature', rows: 256, columns: 1, trees: 20, limit: 8, scored: 300 },
    { name: 'many features', rows: 128, columns: 300, trees: 10, limit: 7, scored: 100 },
    { name: 'deeper trees', rows: 1024, columns: 4, trees: 4, limit: 10, scored: 300 },
    { name: 'deep trees', rows: 4096, columns: 3, trees: 6, limit: 12, scored: 3000 },
    { name: 'trees without a useful limit', rows: 300, columns: 2, trees: 10, limit: 32, scored: 300 },
    { name: 'large trees', rows: 65_536, columns: 1, trees: 4, limit: 32, scored: 50 },
  ])('on $name', ({ rows, columns, trees, limit, scored }) => {
    expectTwins(growForest(normalRows(rows, columns), trees, limit), normalRows(scored, columns, 2))
  })

  test('on one row to as many as walk together, in as many trees and in some more', () => {
    const rows = normalRows(9, 3, 2)
    for (const trees of [1, 7, 8, 9, 16, 21]) {
      const forest = growForest(normalRows(64, 3), trees, 6)
      for (let scored = 1; scored <= rows.length; scored++) expectTwins(forest, rows.slice(0, scored))
    }
    for (const limit of [1, 10]) expectTwins(growForest(normalRows(1024, 3), 11, limit), rows.slice(0, 2))
  })

  test('on hostile values, which are also the ones trained on', () => {
    for (let seed = 0; seed < 25; seed++) {
      for (const limit of [2, 6, 11, 32]) {
        const forest = growForest(drawnRows(100, 3, hostileValues, seed), 5, limit)
        expectTwins(forest, drawnRows(100, 3, hostileValues, seed + 1000))
      }
    }
  })

  test('on rows that lie exactly on thresholds and just beside them', () => {
    const forest = growForest(normalRows(64, 2), 10, 6)
    const rows = [...forest.thresholds].flatMap((threshold) => {
      const step = Math.max(2 ** -1074, Math.abs(threshold) * 2 ** -52)
      return [threshold, threshold + step, threshold - step].map((value) => [value, value])
    })
    expectTwins(forest, rows)
  })

  test('on trees that are only a root', () => {
    const forest = growForest(Array(10).fill([1, 2]), 3, 4)
    expect(forest.splits.length).toBe(3)
    expectTwins(forest, normalRows(9, 2))
  })
})

test('a forest that is too large to keep is for the plain walk', () => {
  const forest = growForest(normalRows(64, 3), 10, 6)
  const splits = new Int32Array(2 ** 21)
  const input = { key: 'a', payload: new Uint8Array(), block: blockOf(normalRows(9, 3)), from: 0, to: 9, fill: null }
  const into = { scores: new Float64Array(9), flags: new Uint8Array(9) }
  expect(createLinkedScorer(() => ({ ...forest, splits }), 1).score({ ...input, ...into })).toBe(false)
  expect(createLinkedScorer(() => forest, 1).score({ ...input, ...into })).toBe(true)
})

describe('a forest laid out for a few rows', () => {
  test('lies in shared memory, and says how many rows take a hundred microseconds', () => {
    const laid = layForest(growForest(normalRows(256, 10), 100, 8))!
    expect(laid.trees.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(laid.maxRows).toBe(Math.floor((100_000 - 200 * 10) / (8 * 100 + 10)))
    // Trees, a tile of 256 rows and the sums, in pages; and the same forest for the ranked walk.
    const held = laid.trees.byteLength + 8 * 256 * 11
    expect(laid.bytes % 65_536).toBe(0)
    const ranked = laid.ranked!
    expect(ranked.laid.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(Math.abs(laid.bytes - rankedMemoryBytes(ranked.laid) - held)).toBeLessThan(65_536)
    // It can be sent to another thread.
    expect(structuredClone(laid)).toEqual(laid)
  })

  test('brings its code along: opening compiles nothing, and no call makes an instance', async () => {
    const api = (
      globalThis as unknown as { WebAssembly: Record<'Module' | 'Instance', new (...given: never[]) => object> }
    ).WebAssembly
    const { Module, Instance } = api
    const made = { Module: 0, Instance: 0 }
    const count = (name: 'Module' | 'Instance', real: typeof Module) =>
      class extends real {
        constructor(...given: never[]) {
          super(...given)
          made[name]++
        }
      }
    for (const depth of [7, 9, 12]) {
      const laid = structuredClone(layForest(growForest(normalRows(4096, 3), 3, depth))!)
      expect(laid.ranked !== null).toBe(depth < 12)
      // The linked walk; the seven of the ranked walk.
      const instances = depth < 12 ? 8 : 1
      // As on another thread, which has compiled nothing yet.
      vi.resetModules()
      const other = await import('../../../../src/kernels/forest/walks/small-batch.ts')
      Object.assign(api, { Module: count('Module', Module), Instance: count('Instance', Instance) })
      try {
        const walk = other.createForestWalk(laid)
        expect(made.Module).toBe(0)
        expect(made.Instance).toBe(instances)
        for (const count of [1, 6, 7, 31, 32, 100, 128]) {
          const block = blockOf(normalRows(count, 3))
          walk({ block, from: 0, to: count, fill: null, scores: new Float64Array(count), flags: new Uint8Array(count) })
        }
        expect(made.Instance).toBe(instances)
      } finally {
        Object.assign(api, { Module, Instance })
        made.Instance = 0
      }
    }
  })

  test('is none when it is too large, or when a row takes too long', () => {
    const tree = growForest(normalRows(256, 2), 1, 8)
    const many = (count: number, forest = tree) =>
      joinTrees(
        Array.from({ length: count }, () => treeOf(forest, 0)),
        forest,
      )
    const bytes = 16 + 24 * tree.splits.length
    const fitting = Math.floor(2 ** 21 / bytes)
    expect(layForest(many(fitting))?.trees.byteLength).toBe(fitting * bytes)
    expect(layForest(many(fitting + 1))).toBeNull()
    const long = growForest([...normalRows(32, 1).map(([value]) => [2 ** (8 * value!)]), [1e300]], 1, 32)
    expect(layForest(many(1000, long))?.maxRows).toBeGreaterThan(1)
    const wide = (features: number) => layForest({ ...many(1), features })
    expect([400, 500, 65_535].map((features) => wide(features)?.maxRows)).toEqual([49, undefined, undefined])
  })

  test('marks and fills as a scorer does, and leaves other rows alone', () => {
    const walk = createForestWalk(layForest(growForest(normalRows(64, 3), 10, 6))!)
    const scorer = createLinkedScorer(() => growForest(normalRows(64, 3), 10, 6), 1)
    const rows = normalRows(130, 3, 3).map((row, r) =>
      row.map((value, f) => [value, Number.NaN, Infinity][(r * f) % 5] ?? value),
    )
    for (const [fill, to] of [
      [null, 33],
      [null, 125],
      [Float64Array.of(1, 2, 3), 33],
      [Float64Array.of(1, 2, 3), 125],
    ] as const) {
      const ways = [walk, (input: object) => scorer.score({ key: 'a', payload: new Uint8Array(), ...input } as never)]
      const [own, others] = ways.map((way) => {
        const input = {
          block: blockOf(rows),
          ...{ from: 5, to, fill },
          scores: new Float64Array(130).fill(-1),
          flags: new Uint8Array(130),
        }
        way(input)
        return [[...input.scores], [...input.flags]]
      })
      expect(own).toEqual(others)
      expect(own![0]!.filter((score) => score === -1).length).toBe(130 - to + 5)
    }
  })

  test('is ranked for many of its few rows, and for none where that takes longer', () => {
    const minRows = (forest: Forest) => layForest(forest)?.ranked?.minRows ?? null
    const usual = minRows(growForest(normalRows(256, 10), 100, 8))!
    expect(usual).toBeGreaterThan(50)
    expect(usual).toBeLessThan(90)
    // A tree in pieces, two trees, and nodes that are far more than the levels.
    expect(minRows(growForest(normalRows(1024, 1), 3, 32))).toBeNull()
    expect(minRows(growForest(normalRows(256, 10), 2, 8))).toBeNull()
    expect(minRows({ ...growForest(normalRows(256, 10), 20, 8), features: 400 })).toBeGreaterThan(usual)
  })
})

describe('a scorer', () => {
  const forest = growForest(normalRows(64, 3), 10, 6)
  const payload = encodeForest(forest)
  const { NaN: missing, POSITIVE_INFINITY: infinity } = Number

  function scoreRows(rows: number[][], fill: Float64Array | null = null, scorer = createLinkedScorer(decodeForest, 1)) {
    const block = blockOf(rows, 3)
    const scores = new Float64Array(rows.length)
    const flags = new Uint8Array(rows.length)
    scorer.score({ key: 'a', payload, block, from: 0, to: rows.length, fill, scores, flags })
    return { scores: [...scores], flags: [...flags] }
  }

  const rows = [
    [0, 1, 2],
    [missing, 1, 2],
    [0, infinity, 2],
    [-infinity, 1, missing],
    [0, 1, -2],
  ]

  test('does not score rows with values that are not finite, and says why', () => {
    const { scores, flags } = scoreRows(rows)
    expect(flags).toEqual([0, 2, 3, 2, 0])
    expect(scores.map(Number.isNaN)).toEqual([false, true, true, true, false])
  })

  test('scores such rows with the fill values, and says so', () => {
    const { scores, flags } = scoreRows(rows, Float64Array.of(0.1, 0.2, 0.3))
    expect(flags).toEqual([0, 1, 1, 1, 0])
    const filled = [rows[0]!, [0.1, 1, 2], [0, 0.2, 2], [0.1, 1, 0.3], rows[4]!]
    expect(scores).toEqual(scoreRows(filled).scores)
  })

  test('scores a row the same wherever it stands and whatever stands beside it', () => {
    const many = normalRows(1000, 3, 5)
    const { scores } = scoreRows(many)
    for (const r of [0, 7, 8, 255, 256, 999]) expect(scoreRows([many[r]!]).scores).toEqual([scores[r]])
    const mixed = many.map((row, r) => (r % 3 === 0 ? row : [missing, infinity, r]))
    expect(scoreRows(mixed).scores.filter((_, r) => r % 3 === 0)).toEqual(scores.filter((_, r) => r % 3 === 0))
  })

  test('writes only the rows it was asked for', () => {
    const many = normalRows(600, 3, 6)
    const all = scoreRows(many).scores
    const scores = new Float64Array(600).fill(-1)
    const input = { key: 'a', payload, block: blockOf(many, 3), fill: null, scores, flags: new Uint8Array(600) }
    createLinkedScorer(decodeForest, 1).score({ ...input, from: 100, to: 390 })
    expect([...scores]).toEqual(all.map((score, r) => (r >= 100 && r < 390 ? score : -1)))
  })

  test('minus zero scores like zero', () => {
    expect(scoreRows([[-0, -0, -0]])).toEqual(scoreRows([[0, 0, 0]]))
  })

  test('keeps forests apart, and a bounded number of them', () => {
    const scorer = createLinkedScorer(decodeForest, 1)
    const wide = Array.from({ length: 12 }, (_, k) => {
      const grown = growForest(normalRows(1024, 2, k), 200, 10)
      return { key: `forest ${k}`, payload: encodeForest(grown) }
    })
    const block = blockOf(normalRows(10, 2))
    const score = (one: (typeof wide)[number], by = scorer) => {
      const scores = new Float64Array(10)
      by.score({ ...one, block, from: 0, to: 10, fill: null, scores, flags: new Uint8Array(10) })
      return [...scores]
    }
    const first = wide.map((one) => score(one))
    expect(wide.map((one) => score(one))).toEqual(first)
    expect(score(wide[3]!, createLinkedScorer(decodeForest, 1))).toEqual(first[3])
    expect(rowOf(block, 0).length).toBe(2)
  })
})
