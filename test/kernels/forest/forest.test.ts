import { describe, expect, test } from 'vitest'
import {
  decodeForest,
  encodeForest,
  type Forest,
  forestDepth,
  joinTrees,
  treeOf,
} from '../../../src/kernels/forest/forest.ts'
import { buildTree } from '../../../src/kernels/forest/tree.ts'
import { addPathLengths } from '../../../src/kernels/forest/walks/plain.ts'
import { averagePathLengths } from '../../../src/kernels/path-length.ts'
import { createRandom } from '../../../src/kernels/sampling/random.ts'
import { normalRows, sampleFrom } from '../blocks.ts'

function makeForest(trees = 3, psi = 8, features = 2, depthLimit = 3): Forest {
  const sample = sampleFrom(normalRows(psi, features))
  const candidates = Array.from({ length: features }, (_, f) => f)
  const grown = Array.from({ length: trees }, (_, k) =>
    buildTree({ sample, candidates, depthLimit, random: createRandom(1, k) }),
  )
  return joinTrees(grown, { psi, features, depthLimit })
}

/** Walking must end and stay in range; a read out of range would give undefined and NaN. */
function expectWalkable(forest: Forest): void {
  const sums = new Float64Array(4)
  const values = new Float64Array(4 * forest.features).fill(0.3)
  addPathLengths(forest, averagePathLengths(forest.psi), { values, stride: 4, rows: 4 }, sums)
  for (const sum of sums) expect(Number.isFinite(sum) && sum >= 0).toBe(true)
  expect(forestDepth(forest)).toBeLessThanOrEqual(forest.depthLimit)
}

describe('the bytes of a forest', () => {
  test('give the forest back', () => {
    const forest = makeForest()
    expect(decodeForest(encodeForest(forest))).toEqual(forest)
  })

  test('are read at any offset and from shared memory', () => {
    const bytes = encodeForest(makeForest())
    for (const offset of [0, 1, 4, 8]) {
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + offset))
      shared.set(bytes, offset)
      expect(decodeForest(shared.subarray(offset))).toEqual(decodeForest(bytes))
    }
  })

  test('begin with their format, so that later formats can be told apart', () => {
    const bytes = encodeForest(makeForest(3, 8, 2, 3))
    expect([...bytes.subarray(0, 24)]).toEqual([
      68, 87, 73, 70, 1, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0,
    ])
  })

  test('cut at any length or with bytes added are refused', () => {
    const bytes = encodeForest(makeForest())
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeForest(bytes.subarray(0, length))).toThrow(RangeError)
    }
    expect(() => decodeForest(Uint8Array.from([...bytes, 0]))).toThrow(RangeError)
  })

  test('with any byte changed are refused or still a forest of the same shape', () => {
    const forest = makeForest()
    const bytes = encodeForest(forest)
    let refused = 0
    for (let i = 0; i < bytes.length; i++) {
      for (const change of [1, 0x80, 0xff]) {
        const tampered = bytes.slice()
        tampered[i]! ^= change
        let decoded: Forest
        try {
          decoded = decodeForest(tampered)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
          refused++
          continue
        }
        expect([decoded.trees, decoded.offsets]).toEqual([forest.trees, forest.offsets])
        expectWalkable(decoded)
      }
    }
    // What may change without being noticed here: thresholds, and a feature for another one.
    expect(refused).toBeGreaterThan(bytes.length)
  })

  test('of random words are refused', () => {
    const random = createRandom(6, 6)
    const bytes = encodeForest(makeForest())
    for (let round = 0; round < 2000; round++) {
      const tampered = bytes.slice()
      const words = new Uint32Array(tampered.buffer)
      for (let k = 0; k < 3; k++) words[random.nextInt(words.length)] = random.nextInt(round % 2 === 0 ? 16 : 2 ** 32)
      try {
        expectWalkable(decodeForest(tampered))
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }
  })

  const nodeCases: { name: string; array: 'splits' | 'thresholds' | 'links' | 'offsets'; at: number; value: number }[] =
    [
      { name: 'a feature that does not exist', array: 'splits', at: 0, value: 2 },
      { name: 'a feature below -1', array: 'splits', at: 0, value: -2 },
      { name: 'an infinite threshold', array: 'thresholds', at: 0, value: Number.POSITIVE_INFINITY },
      { name: 'a threshold that is not a number', array: 'thresholds', at: 0, value: Number.NaN },
      { name: 'a child that is its own parent', array: 'links', at: 0, value: 0 },
      { name: 'a right child that is the left one', array: 'links', at: 0, value: 1 },
      { name: 'a child in the next tree', array: 'links', at: 0, value: treeOf(makeForest(), 0).features.length },
      { name: 'a child far away', array: 'links', at: 0, value: 0xffff_ffff },
      { name: 'trees that overlap', array: 'offsets', at: 1, value: makeForest().offsets[2]! },
      { name: 'trees out of order', array: 'offsets', at: 1, value: makeForest().offsets[3]! + 1 },
    ]
  test.each(nodeCases)('with $name are refused', ({ array, at, value }) => {
    const forest = makeForest()
    forest[array][at] = value
    expect(() => decodeForest(encodeForest(forest))).toThrow(RangeError)
  })

  test.each([
    { trees: 0 },
    { trees: 1001 },
    { psi: 1 },
    { psi: 65_537 },
    { psi: 9 },
    { features: 0 },
    { features: 70_000 },
    { depthLimit: 0 },
    { depthLimit: 2 },
    { depthLimit: 33 },
  ])('with the header %o are refused', (change) => {
    const forest = makeForest()
    const bytes = encodeForest(forest)
    const header = { ...forest, ...change }
    new Uint32Array(bytes.buffer, 8, 4).set([header.trees, header.psi, header.features, header.depthLimit])
    expect(() => decodeForest(bytes)).toThrow(RangeError)
  })
})
