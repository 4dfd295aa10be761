/** The entities of a training that get models of their own: their names, samples of their rows, and what the document says of them. */
import { DeepWatchError } from '../errors.ts'
import { type Block, shareBytes } from '../kernels/index.ts'
import { createReservoir, fillSample, streams } from '../kernels/sampling/index.ts'
import { groupRows } from '../kernels/scores/index.ts'
import type { Column, EntityRows, ReadWindow } from '../reader/index.ts'
import type { Roles, VersionDocument } from '../schemas/index.ts'
import { quote, type Telemetry } from '../telemetry/index.ts'

/** With fewer usable rows an entity has no model of its own: too little is known of it. */
const minEntityRows = 256
/** Rows of an entity that its model is fitted from, at most. */
const entitySampleRows = 1024
/** Names that the version document lists. */
const maxNames = 1000

/** The entities that may get a model: those with enough rows, by name. */
export interface EntityPlan {
  readonly column: string
  /** In the order of their UTF-8 bytes, which does not depend on the door. */
  readonly candidates: readonly EntityRows[]
  /** Entities of the window, those without enough rows included. */
  readonly found: number
}

/**
 * Looks for the entities of the rows in the window, of which there may be `max`.
 * Errors: `validation_failed` without an entity column or with one that holds fractions or times, `too_many_entities`,
 * `insufficient_data` when nobody has enough rows.
 */
export async function planEntities(
  telemetry: Telemetry,
  columns: readonly Column[],
  { entity, timestamp }: Pick<Roles, 'entity' | 'timestamp'>,
  window: ReadWindow | undefined,
  max: number,
): Promise<EntityPlan> {
  if (entity === null)
    throw new DeepWatchError('validation_failed', 'perEntity: name the column that tells entities apart as entity.')
  const { kind, type } = columns.find(({ name }) => name === entity)!
  // The text of a fraction or a time is not the same in every format, so an entity would not be known again.
  const isNamed = kind === 'text' || kind === 'boolean' || (kind === 'number' && !/DOUBLE|FLOAT|DECIMAL/.test(type))
  if (!isNamed)
    throw new DeepWatchError(
      'validation_failed',
      `perEntity: ${quote(entity)} is ${type}; entities are told apart by texts or whole numbers.`,
      { facts: { column: entity } },
    )
  const found = await telemetry.entities({ entity, timestamp: timestamp ?? undefined, window, max: max + 1 })
  if (found.length > max)
    throw new DeepWatchError('too_many_entities', `${quote(entity)} has more than ${max} values.`, {
      facts: { column: entity, limit: max },
    })
  const candidates = found
    .filter(({ rows }) => rows >= minEntityRows)
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  requireSome(candidates.length, found.length)
  return { column: entity, candidates, found: found.length }
}

function requireSome(candidates: number, found: number): void {
  if (candidates > 0) return
  throw new DeepWatchError(
    'insufficient_data',
    `perEntity: none of ${found} entities has the ${minEntityRows} usable rows that a model of its own needs.`,
    { facts: { entities: found, needed: minEntityRows } },
  )
}

/** Bytes of the samples and ranges of a plan. */
export function entitySampleBytes({ candidates }: EntityPlan, features: number): number {
  return candidates.reduce((sum, { rows }) => sum + 8 * features * (Math.min(rows, entitySampleRows) + 2), 0)
}

export type EntityCollector = ReturnType<typeof collectEntities>
/** The samples of entities that had enough usable rows, over shared memory. Lists have one entry per entity. */
export type EntitySamples = ReturnType<EntityCollector['finish']>

/** Draws one sample per entity, and their ranges, in one pass. */
export function collectEntities(plan: EntityPlan, features: number, seed: number) {
  const { candidates } = plan
  const min = new Float64Array(candidates.length * features).fill(Number.POSITIVE_INFINITY)
  const max = new Float64Array(candidates.length * features).fill(Number.NEGATIVE_INFINITY)
  const drawn = candidates.map(({ rows }) => {
    const size = Math.min(rows, entitySampleRows)
    const values = new Float64Array(shareBytes(8 * features * size))
    // All entities draw the same places: a model depends on the rows of its entity alone.
    const reservoir = createReservoir({ values, columns: features, size, seed, stream: streams.sample(0) })
    return { values, size, reservoir }
  })

  function widen(entity: number, block: Block, rows: Uint32Array): void {
    for (let f = 0; f < features; f++) {
      const place = entity * features + f
      let low = min[place]!
      let high = max[place]!
      for (const row of rows) {
        const value = block.values[f * block.stride + row]!
        if (value < low && value !== Number.NEGATIVE_INFINITY) low = value
        if (value > high && value !== Number.POSITIVE_INFINITY) high = value
      }
      min[place] = low
      max[place] = high
    }
  }

  return {
    /** Offers the usable rows of a block; the column of the entity stands right behind the features. `positions` as in `Reservoir.offer`. */
    offer(block: Block, positions: Uint32Array | null): void {
      const column = block.values.subarray(features * block.stride, features * block.stride + block.rows)
      const numbers = positions ? Float64Array.from(positions, (row) => column[row]!) : column
      const { order, runs } = groupRows(numbers, candidates.length)
      const rows = positions ? order.map((place) => positions[place]!) : order
      for (const { group, from, to } of runs) {
        if (group === candidates.length) continue
        const own = rows.subarray(from, to)
        drawn[group]!.reservoir.offer(block, own, own.length)
        widen(group, block, own)
      }
    },
    /** Fills what is missing, where the rule says so, and gives the samples. Errors: `insufficient_data`. */
    finish(fill: Float64Array | null) {
      const chosen = candidates.flatMap((_, entity) => (drawn[entity]!.reservoir.seen < minEntityRows ? [] : [entity]))
      requireSome(chosen.length, plan.found)
      const range = (bounds: Float64Array, none: number) =>
        Float64Array.from({ length: chosen.length * features }, (_, place) => {
          const feature = place % features
          const bound = bounds[chosen[(place - feature) / features]! * features + feature]!
          return Number.isFinite(bound) ? bound : none
        })
      return {
        names: chosen.map((entity) => candidates[entity]!.name),
        samples: chosen.map((entity) => {
          const { values, size, reservoir } = drawn[entity]!
          const sample = { values, size, columns: features, filled: reservoir.filled }
          if (fill) fillSample(sample, fill)
          return sample
        }),
        /** Smallest and largest value of feature f of entity e at e * features + f; infinite where there is no bound. */
        min: range(min, Number.NEGATIVE_INFINITY),
        max: range(max, Number.POSITIVE_INFINITY),
        /** Entities of the window that have no model of their own. */
        others: plan.found - chosen.length,
      }
    },
  }
}

/** What the version document says of the entities. @param bytes of each own model, 0 where the shared one serves */
export function describeEntities(
  { names, others }: EntitySamples,
  bytes: readonly number[],
): NonNullable<VersionDocument['perEntity']> {
  const total = bytes.reduce((sum, each) => sum + each, 0)
  return {
    entities: names.length,
    others,
    leastRows: minEntityRows,
    sampleRows: entitySampleRows,
    bytes: {
      total,
      mean: Math.round(total / names.length),
      most: bytes.reduce((max, each) => Math.max(max, each), 0),
    },
    names: names.slice(0, maxNames),
    namesLeftOut: Math.max(0, names.length - maxNames),
  }
}
