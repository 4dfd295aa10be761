/** Training and scoring as the service does them, without its doors: pool, samples, detector. */
import { randomUUID } from 'node:crypto'
import { findDetector } from '../src/detectors/list.ts'
import type { Block } from '../src/kernels/block.ts'
import { emptyProfile, mergeProfiles, type Profile, varyingColumns } from '../src/kernels/models/profile.ts'
import { streams } from '../src/kernels/sampling/random.ts'
import { RowDraw } from '../src/kernels/sampling/row-draw.ts'
import type { Pool } from '../src/pool/pool.ts'
import type { BlockScores, ScoringModel } from '../src/pool/types.ts'

/** Size of a forest; 100 trees of 256 rows unless told otherwise. */
export interface ForestSize {
  readonly trees?: number
  readonly sampleSize?: number
}

/** Trains an isolation forest on blocks whose values are all finite. */
export async function trainForest(
  pool: Pool,
  blocks: readonly Block[],
  seed: number,
  size: ForestSize = {},
): Promise<ScoringModel> {
  return fitForest(pool, blocks, await profileOf(pool, blocks), seed, size)
}

/** The training profile of blocks. */
export async function profileOf(pool: Pool, blocks: readonly Block[]): Promise<Profile> {
  const features = blocks[0]!.columns
  let profile = emptyProfile(features)
  for (const block of blocks) {
    const inspection = await pool.inspect(block, features)
    if (inspection.count > 0) throw new Error('the bench expects finite values')
    profile = mergeProfiles(profile, inspection.profile)
  }
  return profile
}

/** Draws the samples and fits the trees. */
export async function fitForest(
  pool: Pool,
  blocks: readonly Block[],
  profile: Profile,
  seed: number,
  { trees = 100, sampleSize = 256 }: ForestSize = {},
): Promise<ScoringModel> {
  const detector = findDetector('isolation-forest')
  const params = detector.params.parse({ type: detector.id, trees, sampleSize })
  const features = blocks[0]!.columns
  const { count, size } = detector.reservoirs(params)
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0)
  const draw = new RowDraw({ count, size, rows, isExact: true, columns: features, seed, stream: streams.sample })
  for (const _ of draw.draw());
  for (const block of blocks) for (const _ of draw.offer(block, null, block.rows));
  const samples = draw.finish()!
  const { effective } = detector.resolve(params, { rows: profile.rows, features })
  const varying = varyingColumns(profile)
  const bytes = await pool.fit({
    detector: detector.id,
    effective,
    seed,
    samples,
    varying,
    deviations: profile.std,
  })
  const payload = new SharedArrayBuffer(bytes.byteLength)
  new Uint8Array(payload).set(bytes)
  return { key: randomUUID(), detector: detector.id, payload, features, fill: null }
}

/**
 * Scores all blocks as the service does: some ahead of the one that is taken, whose memory is then used again.
 * @param ahead the service keeps one more under way than it has threads
 * @returns the score of every row, in order
 */
export async function scoreBlocks(
  pool: Pool,
  model: ScoringModel,
  blocks: readonly Block[],
  ahead = 2,
): Promise<Float64Array> {
  const all = new Float64Array(blocks.reduce((sum, { rows }) => sum + rows, 0))
  const underWay: Promise<BlockScores>[] = []
  let at = 0
  const take = async (mayStay: number) => {
    while (underWay.length > mayStay) {
      const { scores, release } = await underWay.shift()!
      all.set(scores, at)
      at += scores.length
      release?.()
    }
  }
  for (const block of blocks) {
    underWay.push(pool.score(model, block, { patient: true }))
    await take(ahead - 1)
  }
  await take(0)
  return all
}
