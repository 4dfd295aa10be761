import { averagePathLengths, scoreFactor } from '../../index.ts'
import { copyTile, type RowScoreInput, scoresFromSums } from '../../scores/index.ts'
import type { Forest } from '../index.ts'
import { addPathLengths } from './path-lengths.ts'

/** How a scorer gets at a forest. */
export interface ForestReader {
  /** A checked forest. Throws what a damaged payload is to its reader. */
  read(payload: Uint8Array): Forest
  /** The forest of a payload that was checked before. */
  view(payload: Uint8Array): Forest
}

/** Payloads of which a scorer remembers that it checked them. */
const maxChecked = 65_536
const tileRows = 256

/**
 * Scores rows by going down the trees as they are: nothing is prepared and nothing kept, which is the quickest for a few rows
 * of a forest that few rows come for.
 */
export function createPlainScorer({ read, view }: ForestReader): { score(input: RowScoreInput): void } {
  const checked = new Set<string>()
  const lengthsOf = new Map<number, Float64Array>()
  let tile = new Float64Array(0)

  function forestOf(key: string, payload: Uint8Array): Forest {
    if (checked.has(key)) return view(payload)
    const forest = read(payload)
    if (checked.size >= maxChecked) checked.clear()
    checked.add(key)
    return forest
  }

  function lengths(psi: number): Float64Array {
    let found = lengthsOf.get(psi)
    if (found === undefined) {
      if (lengthsOf.size >= 64) lengthsOf.clear()
      found = averagePathLengths(psi)
      lengthsOf.set(psi, found)
    }
    return found
  }

  return {
    score({ key, payload, from, to, scores, ...source }) {
      const forest = forestOf(key, payload)
      const { features, trees, psi } = forest
      if (tile.length < features * tileRows) tile = new Float64Array(features * tileRows)
      scores.fill(0, from, to)
      for (let start = from; start < to; start += tileRows) {
        const rows = Math.min(tileRows, to - start)
        copyTile(source, start, rows, features, tile, tileRows)
        const sums = scores.subarray(start, start + rows)
        addPathLengths(forest, lengths(psi), { values: tile, stride: tileRows, rows }, sums)
      }
      scoresFromSums(scores, source.flags, from, to, scoreFactor(trees, psi))
    },
  }
}
