import type { Forest } from './forest.ts'
import { scoresFromSums } from './forest-scores.ts'
import { shareBytes } from './shared.ts'
import { runsOf, shapeWalk, type WalkedRows, type WalkShape, walkRows } from './traverse-prepared.ts'
import { createKernel, firstRowsOfWays, type KernelModules, memoryBytes, modulesFor } from './traverse-wasm.ts'

/** A forest laid out for whoever scores a few of its rows, with the code for it: plain data over shared memory. */
export interface LaidForest {
  readonly shape: WalkShape
  readonly trees: Uint8Array<SharedArrayBuffer>
  readonly modules: KernelModules
  /** Bytes of the memory in which it is walked. */
  readonly bytes: number
  /** Rows that take up to some hundred microseconds. */
  readonly mostRows: number
}

/** Three forests of 100 trees and 256 rows. */
const mostBytes = 2 * 1024 * 1024
/** Nodes passed and values copied in a hundred microseconds. */
const mostSteps = 100_000
/** What a feature costs once a call, whatever the rows: its lane is copied and looked through. */
const stepsOfLane = 200

/**
 * Lays out a forest, which takes some milliseconds.
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
  return { shape, trees, modules: modulesFor(shape.plan.paddedDepth), bytes: memoryBytes(bytes, shape), mostRows }
}

/**
 * Makes a function that scores rows of one forest as `createTraverseScorer` does. The forest is copied into a memory of its own,
 * so that nothing has to be when many forests take turns. Every walk is done once before any row comes, so that none waits for its code.
 */
export function createForestWalk({ shape, trees, modules }: LaidForest): (rows: WalkedRows) => void {
  const { plan, features, tileRows } = shape
  const kernel = createKernel(modules)
  kernel.loadTrees(trees, features, tileRows)
  kernel.isFinite(features, tileRows)
  for (const rows of firstRowsOfWays)
    kernel.addPathLengths(plan.paddedDepth, features, tileRows, new Float64Array(rows), 0, rows)
  return (rows) => {
    const { from, to, scores, flags } = rows
    scores.fill(0, from, to)
    walkRows(kernel, shape, rows)
    scoresFromSums(scores, flags, from, to, shape.factor)
  }
}
