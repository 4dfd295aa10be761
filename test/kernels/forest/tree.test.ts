import { describe, expect, test } from 'vitest'
import {
  buildTree,
  maxNodes,
  nodeDepths,
  nodeSizes,
  type Tree,
  type TreeOptions,
} from '../../../src/kernels/forest/tree.ts'
import { growTree } from '../../../src/kernels/forest/tree-growth.ts'
import { createRandom, type Random, resumeRandom } from '../../../src/kernels/sampling/random.ts'
import { drawnRows, hostileValues, normalRows, sampleFrom } from '../blocks.ts'

function grow(rows: readonly (readonly number[])[], depthLimit = 8, candidates?: number[], seed = 1): Tree {
  const sample = sampleFrom(rows)
  const all = candidates ?? Array.from({ length: sample.columns }, (_, f) => f)
  return buildTree({ sample, candidates: all, depthLimit, random: createRandom(seed, 0) })
}

/** Checks a tree against the rows it was built from: every side holds rows, sizes add up, limits hold. */
function expectProper(tree: Tree, rows: readonly (readonly number[])[], depthLimit: number): void {
  const sizes = nodeSizes(tree)
  expect(sizes[0]).toBe(rows.length)
  expect(tree.features.length).toBeLessThanOrEqual(maxNodes(rows.length, depthLimit))
  for (const depth of nodeDepths(tree)) expect(depth).toBeLessThanOrEqual(depthLimit)
  const reached = new Uint32Array(tree.features.length)
  for (const row of rows) {
    let node = 0
    reached[node]!++
    while (tree.features[node]! >= 0) {
      node = row[tree.features[node]!]! <= tree.thresholds[node]! ? node + 1 : tree.links[node]!
      reached[node]!++
    }
  }
  expect([...reached]).toEqual([...sizes])
  for (const size of sizes) expect(size).toBeGreaterThan(0)
}

describe('a tree', () => {
  test.each([
    { name: 'one row', rows: [[1, 2]], nodes: 1 },
    { name: 'equal rows', rows: Array(50).fill([1, 2]), nodes: 1 },
    { name: 'zeros of both signs', rows: [[0], [-0], [0]], nodes: 1 },
    { name: 'two rows', rows: [[1], [2]], nodes: 3 },
    { name: 'neighbouring doubles', rows: [[1], [1 + 2 ** -52]], nodes: 3 },
    { name: 'the smallest doubles', rows: [[0], [5e-324], [-5e-324]], nodes: 5 },
    { name: 'both ends of the doubles', rows: [[Number.MAX_VALUE], [-Number.MAX_VALUE], [0]], nodes: 5 },
  ])('of $name has $nodes nodes', ({ rows, nodes }) => {
    for (let seed = 0; seed < 20; seed++) {
      const tree = grow(rows, 8, undefined, seed)
      expect(tree.features.length).toBe(nodes)
      expectProper(tree, rows, 8)
    }
  })

  test('of hostile values is proper, whatever the limits', () => {
    for (let seed = 0; seed < 60; seed++) {
      const rows = drawnRows(64, 3, hostileValues, seed)
      for (const limit of [1, 5, 32]) expectProper(grow(rows, limit, undefined, seed), rows, limit)
    }
  })

  test('of powers of two goes as deep as it may without recursion', () => {
    const rows = Array.from({ length: 2000 }, (_, i) => [2 ** (i / 2 - 500)])
    const tree = grow(rows, 32)
    expectProper(tree, rows, 32)
    expect(Math.max(...nodeDepths(tree))).toBe(32)
  })

  test('never splits a feature that is no candidate or does not vary', () => {
    const rows = normalRows(200, 3).map(([a, b]) => [a!, b!, 5])
    const used = new Set(grow(rows, 8, [1, 2]).features)
    expect([...used].sort()).toEqual([-1, 1])
    expect(grow(rows, 8, []).features).toEqual(Int32Array.of(-1))
  })

  test('draws uniformly among the features that vary in the node, not among all', () => {
    const counts = new Float64Array(4)
    const rows = normalRows(32, 4).map(([a, , c, d]) => [a!, 1, c!, d!])
    for (let seed = 0; seed < 3000; seed++) counts[grow(rows, 1, undefined, seed).features[0]!]! += 1
    expect(counts[1]).toBe(0)
    for (const f of [0, 2, 3]) expect(Math.abs(counts[f]! - 1000)).toBeLessThan(110)
  })

  test('draws split values uniformly over the range', () => {
    const counts = new Float64Array(10)
    for (let seed = 0; seed < 5000; seed++) {
      const [threshold] = grow([[-5], [5]], 1, undefined, seed).thresholds
      counts[Math.floor(threshold! + 5)]! += 1
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0)
    expect(chiSquare).toBeLessThan(28)
  })

  test('is the same for the same random numbers', () => {
    const rows = normalRows(256, 5)
    expect(grow(rows)).toEqual(grow(rows))
    expect(grow(rows, 8, undefined, 2)).not.toEqual(grow(rows))
  })
})

/** A copy: the views of the next tree lie in the same place. */
const grown = (options: TreeOptions): Tree => {
  const { features, thresholds, links } = growTree(options)
  return { features: features.slice(), thresholds: thresholds.slice(), links: links.slice() }
}

describe('a grown tree', () => {
  test('is the built one to the bit, whatever its shape', () => {
    const choose = createRandom(5, 5)
    for (let seed = 0; seed < 400; seed++) {
      const rows = 1 + choose.nextInt(seed % 10 === 0 ? 1500 : 80)
      const columns = 1 + choose.nextInt(12)
      const sample = sampleFrom(
        seed % 2 === 0 ? normalRows(rows, columns, seed) : drawnRows(rows, columns, hostileValues, seed),
      )
      const candidates = Array.from({ length: columns }, (_, f) => f).filter(() => choose.nextFloat() < 0.8)
      const shape = { sample, candidates, depthLimit: 1 + choose.nextInt(32) }
      const built = buildTree({ ...shape, random: createRandom(seed, 1) })
      expect(grown({ ...shape, random: createRandom(seed, 1) })).toStrictEqual(built)
    }
  })

  test('takes the filled rows of a sample alone', () => {
    const sample = { ...sampleFrom(normalRows(100, 3)), filled: 37 }
    const tree = grown({ sample, candidates: [0, 1, 2], depthLimit: 8, random: createRandom(1, 1) })
    expect(tree).toStrictEqual(buildTree({ sample, candidates: [0, 1, 2], depthLimit: 8, random: createRandom(1, 1) }))
    expect(nodeSizes(tree)[0]).toBe(37)
  })

  test('of a sample too large to be copied is built where that lies', () => {
    const rows = Array.from({ length: 2200 }, (_, i) => [i])
    const { values, ...small } = sampleFrom(rows)
    const large = new Float64Array(1000 * 2200)
    large.set(values, 999 * 2200)
    const shape = { sample: { ...small, values: large, columns: 1000 }, candidates: [3, 999], depthLimit: 8 }
    const tree = grown({ ...shape, random: createRandom(1, 1) })
    expect(tree).toStrictEqual(buildTree({ ...shape, random: createRandom(1, 1) }))
    expect(tree.features[0]).toBe(999)
  })

  test('draws a feature again where a small number would be likelier', () => {
    const sample = sampleFrom(normalRows(64, 3))
    // 2^32 - 1 is the one word too many for three features.
    const shape = { sample, candidates: [0, 1, 2], depthLimit: 6 }
    const built = buildTree({ ...shape, random: startingWith(0xffff_ffff) })
    expect(grown({ ...shape, random: startingWith(0xffff_ffff) })).toStrictEqual(built)
    expect(grown({ ...shape, random: startingWith(0xffff_fffe) })).not.toStrictEqual(built)
  })
})

/** The generator in a state of which the next word is known: xoshiro128** turned back. */
function startingWith(word: number): Random {
  const turned = Math.imul(word, 0x38e3_8e39)
  const random = resumeRandom([1, Math.imul((turned >>> 7) | (turned << 25), 0xcccc_cccd), 2, 3])
  expect(resumeRandom(random.state()).nextUint32()).toBe(word)
  return random
}
