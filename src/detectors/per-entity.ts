/**
 * One model per entity, with any detector: how the model of an entity is fitted from a sample of its rows, and how rows are
 * scored, each with the model of its entity. Everything here happens on one thread.
 */
import type { Block } from '../kernels/index.ts'
import { profileBlock, varyingColumns } from '../kernels/models/index.ts'
import { createRandom, drawOrder, pickRows, type Sample, streams } from '../kernels/sampling/index.ts'
import { decodeFleet, type Fleet, type Guards, type RowRun, raiseOutside } from '../kernels/scores/index.ts'
import type { Detector, DetectorParams, ScoreInput, Scorer } from './detector.ts'
import { readPayload } from './settings.ts'

/** A sample over shared memory, which a detector may be handed as the one sample of a model. */
type SharedSample = Sample & { readonly values: Float64Array<SharedArrayBuffer> }

/**
 * The model of an entity: a function of its sample, the settings and the seed. Where the detector wants a sample per piece,
 * each piece gets rows of this one, drawn without replacement. Null when nothing varies among the rows.
 *
 * @throws DeepWatchError `insufficient_data`
 */
export function fitEntity(
  detector: Detector,
  sample: SharedSample,
  settings: { readonly params: DetectorParams; readonly seed: number; readonly measured: number | undefined },
): Uint8Array<ArrayBuffer> | null {
  const { params, seed, measured } = settings
  const { values, size, columns, filled } = sample
  const profile = profileBlock({ values, stride: size, rows: filled, columns }, columns)
  const varying = varyingColumns(profile)
  if (varying.length === 0) return null
  const { effective } = detector.resolve(params, { rows: filled, features: columns, measured })
  const { count, size: wanted } = detector.reservoirs(params)
  const drawn = (piece: number): SharedSample =>
    wanted >= filled ? sample : pickRows(sample, drawOrder(filled, wanted, createRandom(seed, streams.pick(piece))))
  const one = count === 1 ? drawn(0) : null
  const pieces = Array.from({ length: detector.pieces(effective) }, (_, piece) =>
    detector.fitPiece({ sample: one ?? drawn(piece), piece, effective, seed, varying, deviations: profile.std }),
  )
  return detector.join({ pieces, effective, seed, features: columns, samples: { ...(one ?? sample), count: 1 } })
}

/** Rows of a block that are scored, each with the model of its entity. */
export interface EntityScoreInput extends Omit<ScoreInput, 'from' | 'to'> {
  /** The rows to score, those of an entity together: row i of the block is row order[i] of scores and flags. */
  readonly block: Block
  readonly order: Uint32Array
  /** Rows of the block, one run after the other; `group` names the entity. */
  readonly runs: readonly RowRun[]
  /** Those of the shared model; null = off, for entities too, which have ranges of their own. */
  readonly guards: Guards | null
}

/**
 * What a row's values are held against: the range of its entity, or that of all rows where it has none. What is not guarded
 * in all rows is not guarded in its own.
 */
export function guardsOfEntity(fleet: Fleet, entity: number, guards: Guards): Guards {
  if (entity >= fleet.entities) return guards
  const own = fleet.rangeOf(entity)
  const min = guards.min.map((bound, f) => (bound === Number.NEGATIVE_INFINITY ? bound : (own.min[f] as number)))
  const max = guards.max.map((bound, f) => (bound === Number.POSITIVE_INFINITY ? bound : (own.max[f] as number)))
  return { min, max, level: guards.level }
}

/** Scores rows entity by entity. Errors: those of the detector's own scorer. */
export function createEntityScorer(scorer: Scorer): { score(input: EntityScoreInput): void } {
  let room = createRoom(0)
  return {
    score({ key, payload, block, order, runs, fill, guards, scores, flags }) {
      const fleet = readPayload(decodeFleet, payload)
      const first = runs[0]?.from ?? 0
      const rows = order.subarray(first, runs.at(-1)?.to ?? first)
      const own: Block = { ...block, values: block.values.subarray(first), rows: rows.length }
      if (room.scores.length < rows.length) room = createRoom(rows.length)
      room.flags.fill(0, 0, rows.length)
      for (const { group, from, to } of runs) {
        const model = group < fleet.entities ? fleet.modelOf(group) : null
        const part = { ...room, block: own, fill, from: from - first, to: to - first }
        scorer.score({ ...part, key: model === null ? key : `${key}/${group}`, payload: model ?? fleet.shared })
        if (guards !== null)
          raiseOutside(guardsOfEntity(fleet, group, guards), part.block, part.from, part.to, part.scores)
      }
      for (let i = 0; i < rows.length; i++) {
        scores[rows[i] as number] = room.scores[i] as number
        flags[rows[i] as number] = room.flags[i] as number
      }
    },
  }
}

/** Room for the scores and marks of a call; used again and again. */
const createRoom = (rows: number) => ({ scores: new Float64Array(rows), flags: new Uint8Array(rows) })
