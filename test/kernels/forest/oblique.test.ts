import { describe, expect, test } from 'vitest'
import { detector } from '../../../src/detectors/extended-isolation-forest.ts'
import {
  decodeObliqueForest,
  encodeObliqueForest,
  joinObliqueTrees,
  type ObliqueForest,
  obliqueTreeOf,
} from '../../../src/kernels/forest/oblique-forest.ts'
import { buildObliqueTree, type ObliqueTree } from '../../../src/kernels/forest/oblique-tree.ts'
import { maxNodes, nodeDepths, nodeSizes } from '../../../src/kernels/forest/tree.ts'
import { anomalyScore, averagePathLength, averagePathLengths, scoreFactor } from '../../../src/kernels/path-length.ts'
import { createRandom } from '../../../src/kernels/sampling/random.ts'
import { scoreAll, train } from '../../detectors/train.ts'
import { blockOf, drawnRows, hostileValues, normalRows, sampleFrom } from '../blocks.ts'
import { wave, waves } from '../oracle.ts'
import { walkOblique } from './oblique-walk.ts'

function grow(
  rows: number[][],
  columns: number,
  seed = 1,
  depthLimit = 8,
  likelihoods: Float64Array | null = null,
): ObliqueTree {
  const sample = sampleFrom(rows)
  const candidates = Array.from({ length: sample.columns }, (_, f) => f)
  const spread = new Float64Array(sample.columns).fill(1)
  const random = createRandom(seed, 0)
  return buildObliqueTree({ sample, candidates, spread, likelihoods, columns, depthLimit, random })
}

function forestOf(rows: number[][], columns: number, rangePenalty: boolean, trees = 5): ObliqueForest {
  const grown = Array.from({ length: trees }, (_, t) => grow(rows, columns, t))
  const shape = { psi: rows.length, features: rows[0]!.length, depthLimit: 8, columns, rangePenalty }
  return joinObliqueTrees(grown, shape)
}

/** The path of one row, by following the definition. */
function pathOf(forest: ObliqueForest, t: number, row: number[]): { depth: number; leaf: number } {
  const tree = obliqueTreeOf(forest, t)
  const follow = (node: number, level: number, depth: number): { depth: number; leaf: number } => {
    const at = node * forest.columns
    if (tree.features[at]! < 0) return { depth, leaf: tree.links[node]! }
    const cut = Array.from(
      { length: forest.columns },
      (_, c) => [tree.features[at + c]!, tree.weights[at + c]!] as const,
    )
    const along = cut.reduce((sum, [feature, weight]) => sum + weight * row[feature]!, 0)
    const isUsual = Math.abs(along - tree.thresholds[node]!) <= tree.widths[node]!
    const counts = level === 0 || !forest.rangePenalty || isUsual
    const next = along - tree.thresholds[node]! > 0 ? tree.links[node]! : node + 1
    return follow(next, level + 1, depth + (counts ? 1 : 0))
  }
  return follow(0, 0, 0)
}

describe('an oblique tree', () => {
  test.each([1, 2, 3, 6])('with %i columns splits the rows it was built from, no side empty', (columns) => {
    for (let seed = 0; seed < 10; seed++) {
      const rows = normalRows(100, 4, seed)
      const tree = grow(rows, columns, seed)
      const plain = {
        features: Int32Array.from(tree.thresholds, (_, node) => tree.features[node * columns]!),
        thresholds: tree.thresholds,
        links: tree.links,
      }
      const sizes = nodeSizes(plain)
      expect(sizes[0]).toBe(100)
      expect(Math.max(...nodeDepths(plain))).toBeLessThanOrEqual(8)
      expect(tree.thresholds.length).toBeLessThanOrEqual(maxNodes(100, 8))
      for (const size of sizes) expect(size).toBeGreaterThan(0)
    }
  })

  test('with one column cuts along an axis', () => {
    const tree = grow(normalRows(64, 3), 1)
    for (const [node, weight] of tree.weights.entries()) expect(weight).toBe(tree.features[node]! < 0 ? 0 : 1)
  })

  test('never cuts along a feature that is constant in the node alone', () => {
    const rows = normalRows(64, 1).map(([a]) => [7, a!, 7])
    const tree = grow(rows, 2)
    for (const [place, feature] of tree.features.entries()) if (tree.weights[place] !== 0) expect(feature).toBe(1)
  })

  test('draws features by their likelihood where there is one, also when several are cut together', () => {
    const rows = normalRows(64, 3)
    const roots = (columns: number, likelihoods: Float64Array | null) =>
      Array.from({ length: 4000 }, (_, seed) => {
        const { features } = grow(rows, columns, seed, 1, likelihoods)
        return [...features.slice(0, columns)]
      })
    const share = (cuts: number[][], feature: number) =>
      cuts.filter((cut) => cut.includes(feature)).length / cuts.length
    const weighted = Float64Array.of(1, 2, 7)
    // Four standard deviations of 4,000 draws are 0.03 at most.
    for (const [feature, expected] of [0.1, 0.2, 0.7].entries())
      expect(Math.abs(share(roots(1, weighted), feature) - expected)).toBeLessThan(0.03)
    // Without replacement: 1/10 + 2/10 * 1/8 + 7/10 * 1/3.
    expect(Math.abs(share(roots(2, weighted), 0) - 0.3583)).toBeLessThan(0.03)
    for (const feature of [0, 1, 2]) expect(Math.abs(share(roots(1, null), feature) - 1 / 3)).toBeLessThan(0.03)
  })

  test.each([
    ['one row', [[1, 2]], 1],
    ['equal rows', Array(50).fill([1, 2]), 1],
    [
      'two rows',
      [
        [1, 1],
        [2, 1],
      ],
      3,
    ],
  ])('of %s has the nodes it must', (_, rows, nodes) => {
    expect(grow(rows as number[][], 2).thresholds.length).toBe(nodes)
  })
})

describe('the walk', () => {
  test.each([
    [1, false],
    [3, false],
    [3, true],
    [4, true],
  ])('with %i columns and range penalty %s gives the path lengths of the definition', (columns, rangePenalty) => {
    const rows = normalRows(128, 4)
    const forest = decodeObliqueForest(encodeObliqueForest(forestOf(rows, columns, rangePenalty)))
    const probes = [...normalRows(50, 4, 9), [9, 9, 9, 9], [-50, 0, 0, 0], ...rows.slice(0, 10)]
    const sums = new Float64Array(probes.length)
    walkOblique(forest, averagePathLengths(forest.psi), Float64Array.from(probes.flat()), probes.length, sums)
    probes.forEach((probe, r) => {
      let sum = 0
      for (let t = 0; t < forest.trees; t++) {
        const { depth, leaf } = pathOf(forest, t, probe)
        sum += depth + averagePathLength(leaf)
      }
      expect(sums[r]).toBeCloseTo(sum, 9)
    })
  })

  test('of hostile values ends, with finite sums', () => {
    for (const columns of [1, 3]) {
      const forest = forestOf(drawnRows(64, 3, hostileValues), columns, true)
      const probes = drawnRows(200, 3, hostileValues, 5)
      const sums = new Float64Array(200)
      walkOblique(forest, averagePathLengths(forest.psi), Float64Array.from(probes.flat()), 200, sums)
      for (const sum of sums) expect(sum >= 0 && Number.isFinite(sum)).toBe(true)
    }
  })
})

describe('the scorer', () => {
  test.each([
    [1, 3, false],
    [1, 1, true],
    [2, 5, true],
    [3, 4, true],
    [7, 9, true],
  ])(
    'with %i columns of %i features gives the scores of the plain walk to the bit',
    (columns, features, rangePenalty) => {
      for (const rows of [normalRows(200, features), drawnRows(64, features, hostileValues)]) {
        const forest = forestOf(rows, Math.min(columns, features), rangePenalty, 7)
        const probes = [
          ...normalRows(301, features, 3),
          ...drawnRows(40, features, hostileValues, 8),
          Array(features).fill(50),
        ]
        const sums = new Float64Array(probes.length)
        walkOblique(forest, averagePathLengths(forest.psi), Float64Array.from(probes.flat()), probes.length, sums)
        const factor = scoreFactor(forest.trees, forest.psi)
        const { scores } = scoreAll(detector, encodeObliqueForest(forest), blockOf(probes))
        expect([...scores]).toEqual([...sums].map((sum) => anomalyScore(sum, factor)))
      }
    },
  )

  test('scores a single row, and a tree that is only a root', () => {
    const forest = forestOf(Array(20).fill([1, 2]), 2, true, 3)
    expect(scoreAll(detector, encodeObliqueForest(forest), blockOf([[5, 5]])).scores[0]).toBeCloseTo(0.5, 12)
  })
})

test('a payload with any byte changed is refused, or is a forest of the same shape', () => {
  const bytes = encodeObliqueForest(forestOf(normalRows(16, 3), 2, true, 2))
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice()
    changed[at] = changed[at]! ^ 0x5b
    try {
      const forest = decodeObliqueForest(changed)
      const sums = new Float64Array(1)
      walkOblique(forest, averagePathLengths(forest.psi), Float64Array.of(1, 2, 3), 1, sums)
      expect(Number.isFinite(sums[0])).toBe(true)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
  }
})

describe('beside isotree 0.6, ndim=3, 2,000 trees', () => {
  const plain = [
    0.5244, 0.5845, 0.5974, 0.5901, 0.5601, 0.5152, 0.5276, 0.5799, 0.6164, 0.6171, 0.6155, 0.6109, 0.5935, 0.5466,
    0.5661, 0.6215, 0.6219, 0.6181, 0.615, 0.6128, 0.5971, 0.5602, 0.6073, 0.6237, 0.6206, 0.6222, 0.6196, 0.6159,
    0.5885, 0.5764,
  ]
  const penalised = [
    0.5272, 0.6098, 0.6624, 0.6647, 0.6106, 0.5447, 0.5446, 0.6121, 0.7161, 0.7704, 0.7888, 0.7721, 0.7036, 0.6004,
    0.6052, 0.7233, 0.7996, 0.8286, 0.8276, 0.8, 0.7212, 0.6177, 0.6827, 0.7946, 0.8447, 0.8627, 0.8522, 0.8083, 0.7021,
    0.6367,
  ]
  const probes = blockOf(
    Array.from({ length: 30 }, (_, i) => [0, 1, 2, 3].map((j) => wave(3000 + i, j) * (1 + i / 15))),
  )

  test.each([
    ['without the range penalty', false, plain],
    ['with it', true, penalised],
  ])('%s the scores agree but for chance', (_, rangePenalty, theirs) => {
    const { payload } = train(detector, blockOf(waves(512, 4)), 1, { trees: 600, rangePenalty })
    const ours = [...scoreAll(detector, payload, probes).scores]
    expect(correlation(ours, theirs)).toBeGreaterThan(0.97)
  })
})

/** Pearson's. */
function correlation(a: number[], b: number[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanA, meanB] = [mean(a), mean(b)]
  const product = (x: number[], mx: number, y: number[], my: number) =>
    x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0)
  return product(a, meanA, b, meanB) / Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB))
}

test('with mixed weights every second tree draws by kurtosis, and the others are those of equal weights', () => {
  // The last feature has a row far outside, so that nearly all cuts by kurtosis go there.
  const rows = normalRows(200, 3).map(([a, b, c], r) => [a!, b!, r === 0 ? 1000 : c!])
  const payloads = ['equal', 'kurtosis', 'mixed'].map(
    (featureWeights) => train(detector, blockOf(rows), 1, { trees: 10, columns: 1, featureWeights }).payload,
  )
  const trees = payloads.map((payload) => Array.from({ length: 10 }, (_, t) => detector.tree(payload, t)))
  const [equal, weighted, mixed] = trees as [(typeof trees)[0], (typeof trees)[0], (typeof trees)[0]]
  for (let t = 0; t < 10; t++) expect(mixed[t]).toEqual(t % 2 === 0 ? equal[t] : weighted[t])
  const rootFeature = (nodes: (typeof equal)[0]) => ('cut' in nodes[0]! ? nodes[0].cut[0]!.feature : -1)
  expect(weighted.filter((nodes) => rootFeature(nodes) === 2).length).toBeGreaterThan(7)
})
