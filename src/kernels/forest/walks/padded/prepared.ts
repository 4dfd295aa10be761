import { averagePathLengths, type Block, scoreFactor } from '../../../index.ts'
import { cleanTile, copySmallBatch, copyTile, type RowScoreInput } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { type ForestPlan, layRun, planForest } from './layout.ts'
import type { Kernel } from './wasm.ts'

/** Measured from 1 to 2,000 features: a larger tile is slower, and a much smaller one too. */
const mostTileBytes = 128 * 1024

/** Rows that are copied value by value. */
const mostFewRows = 32

/** How the kernel walks a forest: plain data. */
export interface WalkShape {
  readonly plan: ForestPlan
  readonly features: number
  /** Rows that go through a run of trees together. */
  readonly tileRows: number
  /** See `scoreFactor`. */
  readonly factor: number
}

/**
 * Rows that go through all trees together: as many as keep the tile in the cache beside a tree. Large
 * padded trees are copied before they are walked, and more rows share the cost.
 */
function tileRowsFor(features: number, plan: ForestPlan): number {
  const fitting = 2 ** Math.floor(Math.log2(mostTileBytes / (8 * features)))
  return Math.max(32, Math.min(plan.paddedDepth > 8 ? 1024 : 256, fitting))
}

/** Chooses how a forest is walked. */
export function shapeWalk(forest: Forest): WalkShape {
  const plan = planForest(forest)
  const { features, trees, psi } = forest
  return { plan, features, tileRows: tileRowsFor(features, plan), factor: scoreFactor(trees, psi) }
}

/** Gives a function that lays out the runs of a forest's trees, by number. */
export function runsOf(forest: Forest, { plan, tileRows }: WalkShape): (index: number) => Uint8Array<ArrayBuffer> {
  const lengths = averagePathLengths(forest.psi)
  return (index) => layRun(forest, plan, plan.runs[index] as ForestPlan['runs'][number], lengths, 8 * tileRows)
}

/** Rows from..to-1 of a block in any memory, and where what is found out about them goes; see `RowScoreInput`. */
export type WalkedRows = Omit<RowScoreInput, 'key' | 'payload' | 'block'> & { readonly block: Block<ArrayBufferLike> }

/** Adds the path lengths of rows in the run of trees that lies in the kernel's memory to their scores. */
export function walkRows(
  kernel: Kernel,
  { plan, features, tileRows }: WalkShape,
  { block, from, to, fill, scores, flags }: WalkedRows,
): void {
  const tile = kernel.tile(features, tileRows)
  /** Whether all that was copied is finite. */
  const copyRows = (rows: number, start: number) => {
    if (rows <= mostFewRows) return copySmallBatch(block, start, rows, features, tile, tileRows)
    copyTile(block, start, rows, features, tile, tileRows)
    return kernel.isFinite(features, tileRows)
  }
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    if (!copyRows(rows, start)) cleanTile(tile, tileRows, features, rows, fill, flags, start)
    kernel.addPathLengths(plan.paddedDepth, features, tileRows, scores, start, rows)
  }
}
