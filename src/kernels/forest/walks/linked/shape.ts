import { scoreFactor } from '../../../index.ts'
import type { Forest } from '../../index.ts'

/** A larger tile is slower, and a much smaller one too. */
const maxTileBytes = 128 * 1024

/** How the kernel walks a forest: plain data. */
export interface LinkedShape {
  readonly features: number
  /** Rows that go through all trees together: as many as keep the tile in the cache beside a tree, a multiple of 8. */
  readonly tileRows: number
  /** See `scoreFactor`. */
  readonly factor: number
}

/** Chooses how a forest is walked. */
export function shapeOf({ features, trees, psi }: Forest): LinkedShape {
  const fitting = 2 ** Math.floor(Math.log2(maxTileBytes / (8 * features)))
  return { features, tileRows: Math.max(32, Math.min(256, fitting)), factor: scoreFactor(trees, psi) }
}
