import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { treeGrowth } from '../../../src/kernels/forest/tree-growth.ts'
import { linkedWalk } from '../../../src/kernels/forest/walks/linked.ts'
import { obliqueWalk } from '../../../src/kernels/forest/walks/oblique.ts'
import { finiteCheck, mapRanks, rankValues } from '../../../src/kernels/forest/walks/ranked/values-code.ts'
import { addLeafValues, selectLeaves } from '../../../src/kernels/forest/walks/ranked/walk-code.ts'
import { squaredDistances } from '../../../src/kernels/models/neighbours.ts'
import { assemble } from '../../../src/kernels/wasm/encoding.ts'
import type { WasmFunction } from '../../../src/kernels/wasm/index.ts'

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

const emitted: Readonly<Record<string, () => WasmFunction>> = {
  'grow a tree': treeGrowth,
  'squared distances': squaredDistances,
  'look for values that are not finite': finiteCheck,
  'walk linked trees': linkedWalk,
  'rank to 1 byte': () => rankValues(1),
  'rank to 2 bytes': () => rankValues(2),
  'map ranks': mapRanks,
  'select leaves': selectLeaves,
  'add leaf values': () => addLeafValues(false),
  'add leaf values of pieces': () => addLeafValues(true),
  ...Object.fromEntries(upTo(64).map((columns) => [`walk oblique, ${columns} features`, () => obliqueWalk(columns)])),
}

const digest = (code: WasmFunction) => createHash('sha256').update(assemble(code)).digest('hex')

it('emits the same bytes for every kernel', () => {
  const file = new URL('../../../../test/kernels/wasm/bytes.json', import.meta.url)
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  expect(Object.fromEntries(Object.entries(emitted).map(([name, make]) => [name, digest(make())]))).toEqual(kept)
})
