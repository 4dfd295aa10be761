import { keepPrepared, scoreFactor } from '../../../index.ts'
import { copyTile, type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import { compile, createMemory, growTo } from '../../../wasm/index.ts'
import type { ObliqueForest } from '../../index.ts'
import { layObliqueForest, obliqueGroup, obliqueWalk } from './code.ts'

interface Prepared {
  readonly features: number
  readonly columns: number
  readonly tileRows: number
  readonly factor: number
  readonly bytes: Uint8Array
}

/** Prepared forests kept by one scorer, in bytes. */
const maxKeptBytes = 32 * 1024 * 1024
const maxTileBytes = 64 * 1024

/** As many rows as keep the tile in the cache beside a tree, a multiple of the group. */
function prepare(forest: ObliqueForest): Prepared {
  const { features, columns, trees, psi } = forest
  const fitting = 2 ** Math.floor(Math.log2(maxTileBytes / (8 * features)))
  const tileRows = Math.max(16, Math.min(256, fitting))
  return { features, columns, tileRows, factor: scoreFactor(trees, psi), bytes: layObliqueForest(forest, 8 * tileRows) }
}

/**
 * Scores rows with oblique forests in one thread, keeping what it prepared within a bound of bytes. The memory holds the
 * sums of a tile, the tile, and the trees of one forest, in this order.
 *
 * @param read turns a payload into a checked forest, or throws
 */
export function createObliqueScorer(read: (payload: Uint8Array) => ObliqueForest): {
  score(input: RowScoreInput): void
} {
  const memory = createMemory()
  const walks = new Map<number, ReturnType<typeof compile>>()
  const kept = keepPrepared<Prepared>(maxKeptBytes, ({ bytes }) => bytes.byteLength)
  let doubles = new Float64Array(memory.buffer)
  let loaded: Prepared | undefined

  function walkOf(columns: number) {
    const walk = walks.get(columns) ?? compile(obliqueWalk(columns), memory)
    walks.set(columns, walk)
    return walk
  }

  function load(prepared: Prepared): void {
    if (loaded === prepared) return
    const start = 8 * prepared.tileRows * (prepared.features + 1)
    if (growTo(memory, start + prepared.bytes.byteLength)) doubles = new Float64Array(memory.buffer)
    new Uint8Array(memory.buffer, start).set(prepared.bytes)
    loaded = prepared
  }

  return {
    score({ key, payload, from, to, scores, ...source }) {
      const prepared = kept.get(key, () => prepare(read(payload)))
      const { features, columns, tileRows, factor, bytes } = prepared
      load(prepared)
      const walk = walkOf(columns)
      const tile = doubles.subarray(tileRows, tileRows * (features + 1))
      const treesStart = 8 * tileRows * (features + 1)
      for (let start = from; start < to; start += tileRows) {
        const rows = Math.min(tileRows, to - start)
        copyTile(source, start, rows, features, tile, tileRows)
        doubles.fill(0, 0, tileRows)
        const whole = Math.ceil(rows / obliqueGroup) * obliqueGroup
        walk(treesStart, treesStart + bytes.byteLength, 8 * tileRows, 8 * (tileRows + whole), 0)
        scores.set(doubles.subarray(0, rows), start)
      }
      scoresFromSums(scores, source.flags, from, to, factor)
    },
  }
}
