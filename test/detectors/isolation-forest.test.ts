import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { detector } from '../../src/detectors/isolation-forest.ts'
import { encodeForest, joinTrees } from '../../src/kernels/forest/forest.ts'
import type { Tree } from '../../src/kernels/forest/tree.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'
import { scoreAll, train } from './train.ts'

/** A tree written by hand: lists of [feature, threshold, right child] and, for leaves, [rows]. */
function tree(...nodes: (readonly [number, number, number] | readonly [number])[]): Tree {
  const at = (i: number) => nodes.map((node) => (node.length === 3 ? node[i]! : [-1, 0, node[0]][i]!))
  return { features: Int32Array.from(at(0)), thresholds: Float64Array.from(at(1)), links: Uint32Array.from(at(2)) }
}

describe('a forest computed by hand', () => {
  // psi = 4: c(4) = 13/6. Tree 1: x0 <= 1 leads to a leaf of 3 rows (path 1 + c(3) = 1 + 5/3), else 1.
  const first = tree([0, 1, 2], [3], [1])
  // Tree 2: x1 <= 0 leads to (x0 <= 5: 2 rows, path 2 + c(2) = 3; else 1 row, path 2), else 1 row, path 1.
  const second = tree([1, 0, 4], [0, 5, 3], [2], [1], [1])
  const payload = encodeForest(joinTrees([first, second], { psi: 4, features: 2, depthLimit: 2 }))

  test.each([
    { row: [1, 0], lengths: [1 + 5 / 3, 3] }, // on both thresholds: left
    { row: [1 + 2 ** -52, 0], lengths: [1, 3] },
    { row: [6, -1], lengths: [1, 2] },
    { row: [6, 5e-324], lengths: [1, 1] },
    { row: [-1e308, 1e308], lengths: [1 + 5 / 3, 1] },
  ])('gives the row $row the path lengths $lengths', ({ row, lengths }) => {
    const mean = (lengths[0]! + lengths[1]!) / 2
    const { scores } = scoreAll(detector, payload, blockOf([row]))
    expect(scores[0]).toBeCloseTo(2 ** (-mean / (13 / 6)), 14)
  })

  test('shows its trees node by node', () => {
    expect(detector.describe(payload)).toEqual({ trees: 2, nodes: 8, leaves: 5, depth: 2, bytes: payload.length })
    expect(detector.tree(payload, 0)).toEqual([
      { id: 0, depth: 0, feature: 0, threshold: 1, left: 1, right: 2, size: 4 },
      { id: 1, depth: 1, size: 3, pathLength: 1 + 5 / 3 },
      { id: 2, depth: 1, size: 1, pathLength: 1 },
    ])
    expect(detector.tree(payload, 1).map(({ size, depth }) => [size, depth])).toEqual([
      [4, 0],
      [3, 1],
      [2, 2],
      [1, 2],
      [1, 1],
    ])
  })
})

describe('the settings', () => {
  test('have the defaults of the paper', () => {
    const defaults = { type: 'isolation-forest', trees: 100, sampleSize: 256, maxDepth: null }
    expect(detector.params.parse({ type: 'isolation-forest' })).toEqual(defaults)
  })

  test.each([
    ...[{ trees: 0 }, { trees: -1 }, { trees: 1.5 }, { trees: 1e9 }, { trees: '10' }, { trees: null }],
    ...[{ sampleSize: 1 }, { sampleSize: 65_537 }, { sampleSize: Number.NaN }],
    ...[{ maxDepth: 0 }, { maxDepth: 33 }, { maxDepth: 2.5 }],
    ...[{ seed: -1 }, { seed: 2 ** 53 }, { seed: 0.5 }, { seed: null }],
  ])('refuse %o', (change) => {
    expect(detector.params.safeParse({ type: 'isolation-forest', ...change }).success).toBe(false)
  })

  test.each([
    { sampleSize: 256, rows: 10_000, effective: 256, depth: 8, warns: false },
    { sampleSize: 257, rows: 10_000, effective: 257, depth: 9, warns: false },
    { sampleSize: 256, rows: 256, effective: 256, depth: 8, warns: false },
    { sampleSize: 256, rows: 100, effective: 100, depth: 7, warns: true },
    { sampleSize: 2, rows: 2, effective: 2, depth: 1, warns: false },
    { sampleSize: 256, rows: 2, effective: 2, depth: 1, warns: true },
  ])('a sample of $sampleSize out of $rows rows is $effective with depth $depth', (wanted) => {
    const params = detector.params.parse({ type: 'isolation-forest', sampleSize: wanted.sampleSize })
    const { effective, warnings } = detector.resolve(params, { rows: wanted.rows, features: 3 })
    expect(effective).toMatchObject({ sampleSize: wanted.effective, maxDepth: wanted.depth })
    expect(warnings.map(({ code }) => code)).toEqual(wanted.warns ? ['sample_size_clamped'] : [])
  })

  test('a depth limit that is given is kept', () => {
    const params = detector.params.parse({ type: 'isolation-forest', maxDepth: 3 })
    expect(detector.resolve(params, { rows: 1000, features: 1 }).effective['maxDepth']).toBe(3)
    const { payload } = train(detector, blockOf(normalRows(500, 2)), 1, { maxDepth: 3, trees: 10 })
    expect(detector.describe(payload).depth).toBe(3)
  })

  test('a clamped sample sets c(psi): equal rows score exactly 0.5', () => {
    const equal = blockOf(Array(40).fill([1, 2]))
    const { payload } = train(detector, equal, 1, { trees: 7 })
    for (const score of scoreAll(detector, payload, equal).scores) expect(score).toBeCloseTo(0.5, 14)
  })
})

test('a feature that is constant in training never splits, even if it varies later', () => {
  const { payload } = train(detector, blockOf(normalRows(300, 3).map(([a, b]) => [a!, 4, b!])), 1, { trees: 20 })
  const used = Array.from({ length: 20 }, (_, t) => detector.tree(payload, t)).flat()
  expect(new Set(used.flatMap((node) => ('feature' in node ? [node.feature] : [])))).toEqual(new Set([0, 2]))
})

test('a seed gives the same bytes on every machine and in every release', () => {
  const random = createRandom(1, 1)
  const rows = Array.from({ length: 3000 }, () => [random.nextFloat(), random.nextFloat() ** 2, random.nextInt(5)])
  const { payload } = train(detector, blockOf(rows), 2 ** 53 - 1)
  // Whoever changes this changes what `seed` means for everybody: it needs a new format version.
  expect(createHash('sha256').update(payload).digest('hex')).toBe(
    '370baba21a72644e92a15ced77a6dd3cebe271134b034478196b9e92f475aa9f',
  )
})
