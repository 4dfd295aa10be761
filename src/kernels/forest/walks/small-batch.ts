import { shareBytes, shareTogether } from '../../index.ts'
import { scoresFromSums } from '../../scores/index.ts'
import type { Forest } from '../index.ts'
import {
  createKernel,
  firstRowsOfWays,
  type KernelModules,
  memoryBytes,
  modulesFor,
  runsOf,
  shapeWalk,
  type WalkedRows,
  type WalkShape,
  walkRows,
} from './padded/index.ts'
import {
  canRank,
  createRankedKernel,
  hasPieces,
  layRanked,
  operationBytes,
  paysToRank,
  type Ranked,
  type RankedModules,
  rankedMemoryBytes,
  rankedModules,
  scoreRanked,
} from './ranked/index.ts'

/** A forest laid out for whoever scores a few of its rows, with the code for it: plain data over shared memory. */
export interface LaidForest {
  readonly shape: WalkShape
  readonly trees: Uint8Array<SharedArrayBuffer>
  readonly modules: KernelModules
  /** For calls of more rows; null where it is not faster for as many as it takes. */
  readonly ranked: LaidRanked | null
  /** Bytes of the memories in which it is walked. */
  readonly bytes: number
  /** Rows that take up to some hundred microseconds. */
  readonly mostRows: number
}

/** What the ranked walk of few rows needs: plain data over shared memory. */
interface LaidRanked extends Ranked {
  readonly modules: RankedModules
  /** Rows from which on it is faster. */
  readonly leastRows: number
}

/** Three forests of 100 trees and 256 rows. */
const mostBytes = 2 * 1024 * 1024
/** Nodes passed and values copied in a hundred microseconds. */
const mostSteps = 100_000
/** What a feature costs once a call, whatever the rows: its lane is copied and looked through. */
const stepsOfLane = 200
/** Rows that are walked by ranks at once: a short tile takes a model little memory. */
const mostRankedRows = 128

/**
 * Lays out a forest, which takes ten milliseconds, and a hundred where the code is young.
 * @returns null when it is larger than 2 MiB, or when a single row takes too long, as with 500 features
 */
export function layForest(forest: Forest): LaidForest | null {
  const shape = shapeWalk(forest)
  const { depth, bytes } = shape.plan
  const { trees: count, features } = forest
  const mostRows = Math.floor((mostSteps - stepsOfLane * features) / (count * depth + features))
  if (bytes > mostBytes || mostRows < 1) return null
  const trees = new Uint8Array(shareBytes(bytes))
  // A forest of so few bytes has one run.
  trees.set(runsOf(forest, shape)(0))
  const ranked = layForRanks(forest, shape)
  return {
    ...{ shape, trees, modules: modulesFor(shape.plan.paddedDepth), ranked, mostRows },
    bytes: memoryBytes(bytes, shape) + (ranked ? rankedMemoryBytes(ranked.laid) : 0),
  }
}

function layForRanks(forest: Forest, { plan, factor }: WalkShape): LaidRanked | null {
  if (!paysToRank(forest) || !canRank(forest) || hasPieces(forest)) return null
  const laid = layRanked(forest, mostRankedRows)
  let operations = 0
  for (const { batches } of laid.groups) for (const { from, to } of batches) operations += (to - from) / operationBytes
  // It takes as long for one row as for 64, and little longer for 128; a row that goes down the trees takes as long whatever the others do:
  // where they meet was measured from 4 to 100 features and 20 to 100 trees of depth 6 to 9.
  const leastRows = Math.ceil(36 + (8 * operations) / (forest.trees * plan.depth) + forest.features / 8)
  if (leastRows > mostRankedRows) return null
  const [bytes] = shareTogether([laid.bytes]) as [Uint8Array]
  return { laid: { ...laid, bytes }, factor, modules: rankedModules(), leastRows }
}

/**
 * Makes a function that scores rows of one forest as `createTraverseScorer` does. The forest is copied into a memory of its own,
 * so that nothing has to be when many forests take turns. Every walk is done once before any row comes, so that none waits for its code.
 */
export function createForestWalk({ shape, trees, modules, ranked }: LaidForest): (rows: WalkedRows) => void {
  const { plan, features, tileRows } = shape
  const kernel = createKernel(modules)
  kernel.loadTrees(trees, features, tileRows)
  kernel.isFinite(features, tileRows)
  for (const rows of firstRowsOfWays)
    kernel.addPathLengths(plan.paddedDepth, features, tileRows, new Float64Array(rows), 0, rows)
  const scoreMany = ranked && createRankedWalk(ranked)
  return (rows) => {
    const { from, to, scores, flags } = rows
    if (ranked && scoreMany && to - from >= ranked.leastRows) return scoreMany(rows)
    scores.fill(0, from, to)
    walkRows(kernel, shape, rows)
    scoresFromSums(scores, flags, from, to, shape.factor)
  }
}

function createRankedWalk(ranked: LaidRanked): (rows: WalkedRows) => void {
  const kernel = createRankedKernel(ranked.modules)
  const [none, one] = [new Float64Array(ranked.laid.size.features), new Float64Array(1)]
  const block = { values: none, stride: 1, rows: 1, columns: none.length }
  scoreRanked(kernel, ranked, { block, from: 0, to: 1, fill: null, scores: one, flags: new Uint8Array(1) })
  return (rows) => scoreRanked(kernel, ranked, rows)
}
