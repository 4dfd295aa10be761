import { shareBytes, shareTogether } from '../../index.ts'
import { type Forest, forestDepth } from '../index.ts'
import { createLinkedKernel, layLinked, linkedBytes } from './linked.ts'
import {
  canRank,
  createRankedKernel,
  hasPieces,
  layRanked,
  operationBytes,
  paysToRank,
  type RankedForest,
  type RankedModules,
  rankedMemoryBytes,
  rankedModules,
  scoreRanked,
  type WalkedRows,
} from './ranked/index.ts'
import { type LaidTrees, memoryBytes } from './tree-kernel.ts'

/** A forest laid out for whoever scores small batches, with the code for it: plain data over shared memory. */
export interface LaidForest extends LaidTrees {
  /** For calls of more rows; null where it is not faster for as many as it takes. */
  readonly ranked: LaidRanked | null
  /** Bytes of the memories in which it is walked. */
  readonly bytes: number
  /** Rows that take up to some hundred microseconds. */
  readonly maxRows: number
}

/** What the ranked walk of a small batch needs: plain data over shared memory. */
interface LaidRanked {
  readonly laid: RankedForest
  readonly modules: RankedModules
  /** Rows from which on it is faster. */
  readonly minRows: number
}

/** Four forests of 100 trees and 256 rows. */
const maxBytes = 2 * 1024 * 1024
/** Nodes passed and values copied in a hundred microseconds. */
const maxSteps = 100_000
/** What a feature costs once a call, whatever the rows: its column is copied and looked through. */
const stepsOfColumn = 200
/** Rows that are walked by ranks at once: a short tile takes a model little memory. */
const maxRankedRows = 128

/**
 * Lays out a forest, which takes ten milliseconds, and a hundred where the code is young.
 * @returns null when it is larger than 2 MiB, or when a single row takes too long, as with 500 features
 */
export function layForest(forest: Forest): LaidForest | null {
  // A root alone is walked like a tree of depth 1.
  const depth = Math.max(1, forestDepth(forest))
  const bytes = linkedBytes(forest)
  const { trees: count, features } = forest
  const maxRows = Math.floor((maxSteps - stepsOfColumn * features) / (count * depth + features))
  if (bytes > maxBytes || maxRows < 1) return null
  const linked = layLinked(forest, new Uint8Array(shareBytes(bytes)))
  const ranked = layForRanks(forest, depth)
  const held = memoryBytes(linked) + (ranked ? rankedMemoryBytes(ranked.laid) : 0)
  return { ...linked, ranked, bytes: held, maxRows }
}

function layForRanks(forest: Forest, depth: number): LaidRanked | null {
  if (!paysToRank(forest) || !canRank(forest) || hasPieces(forest)) return null
  const laid = layRanked(forest, maxRankedRows)
  let operations = 0
  for (const { batches } of laid.groups) for (const { from, to } of batches) operations += (to - from) / operationBytes
  // It takes as long for one row as for 64, and little longer for 128; a row that goes down the trees takes as long whatever the
  // others do. Where they meet was measured from 4 to 100 features and 20 to 100 trees of depth 6 to 9.
  const minRows = Math.ceil(36 + (8 * operations) / (forest.trees * depth) + forest.features / 8)
  if (minRows > maxRankedRows) return null
  const [bytes] = shareTogether([laid.bytes]) as [Uint8Array]
  return { laid: { ...laid, bytes }, modules: rankedModules(), minRows }
}

/**
 * Makes a function that scores rows of one forest, to the bit as `createForestScorer` does. The forest is copied into a memory of its
 * own, so that nothing has to be when many forests take turns. Every walk is done once before any row comes, so that none waits for
 * its code.
 */
export function createForestWalk(laid: LaidForest): (rows: WalkedRows) => void {
  const { ranked } = laid
  const kernel = createLinkedKernel()
  kernel.load(laid)
  kernel.addPathLengths(new Float64Array(1), 0, 1)
  const scoreMany = ranked && createRankedWalk(ranked)
  return (rows) => {
    const isMany = ranked !== null && rows.to - rows.from >= ranked.minRows
    if (isMany && scoreMany) scoreMany(rows)
    else kernel.score(rows)
  }
}

function createRankedWalk({ laid, modules }: LaidRanked): (rows: WalkedRows) => void {
  const kernel = createRankedKernel(modules)
  const [none, one] = [new Float64Array(laid.size.features), new Float64Array(1)]
  const block = { values: none, stride: 1, rows: 1, columns: none.length }
  scoreRanked(kernel, laid, { block, from: 0, to: 1, fill: null, scores: one, flags: new Uint8Array(1) })
  return (rows) => scoreRanked(kernel, laid, rows)
}
