/** What becomes of scores beside the trailing ones of their entity, over a source, or going on from request to request. */
import { DeepWatchError } from '../errors.ts'
import { Habituation, type MeanWindow, TrailingMean } from '../kernels/history/index.ts'
import { scoreBins } from '../kernels/scores/index.ts'
import type { BlockScores } from '../pool/index.ts'
import type { ExtraColumns, FeatureBlock } from '../reader/index.ts'
import { durationSeconds, type VersionDocument } from '../schemas/index.ts'
import { type ColumnPlaces, entityBytes, type Turn } from '../telemetry/index.ts'
import type { Kept, WindowOwner, Windows } from './windows.ts'

export type Smoothing = NonNullable<VersionDocument['smoothing']>

/** Where the columns stand that smoothing needs; null where there is none. */
type SmoothingPlaces = Pick<ColumnPlaces, 'timestamp' | 'entity'>

/** Replaces the scores of a block by what becomes of them. Blocks come in the order of the source. */
export type Smoother = (piece: Pick<FeatureBlock, 'block' | 'entity'>, result: BlockScores) => void

/** What the next score of an entity becomes; the entity by its number and, of rows in memory, its name. */
type Take = (id: number, name: string | null, time: number, score: number) => number

function meanWindow(window: number | string): MeanWindow {
  return typeof window === 'number'
    ? { rows: window, micros: null }
    : { rows: null, micros: 1e6 * durationSeconds(window) }
}

/** What a version does with the scores of an entity, one after the other. */
export interface ScoreSteps {
  readonly smoothing?: { readonly window: number | string } | null | undefined
  readonly habituation?: { readonly window: number } | null | undefined
}

/** What is kept of an entity's scores to make one step. */
interface KeptScores extends Kept {
  take(score: number, time: number): number
}

interface Step {
  /** Where live windows are kept. */
  readonly slot: string
  create(stored: Float64Array | null): KeptScores
}

/** @param line the threshold; needed for habituation alone */
function stepsOf({ smoothing, habituation }: ScoreSteps, line: number): Step[] {
  const steps: Step[] = []
  if (smoothing) {
    const window = meanWindow(smoothing.window)
    steps.push({ slot: 'score', create: (stored) => new TrailingMean(window, stored) })
  }
  if (habituation) {
    const rule = { rows: habituation.window, line }
    steps.push({ slot: 'usual', create: (stored) => new Habituation(rule, stored) })
  }
  return steps
}

/** Whether scores become anything else. */
export const changesScores = ({ smoothing, habituation }: ScoreSteps): boolean => Boolean(smoothing || habituation)

/** The extra columns that the steps need; `column` is that of the entity. Errors: `missing_timestamp`. */
export function smoothingColumns(
  { smoothing, habituation }: ScoreSteps,
  timestamp: string | null,
  column: string | null,
): Pick<ExtraColumns, 'timestamp' | 'entity'> {
  const needsTime = typeof smoothing?.window === 'string'
  if (needsTime && timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'smoothing: a window of time needs a timestamp column.')
  const needsEntity = changesScores({ smoothing, habituation }) && column !== null
  return { ...(needsTime && { timestamp: true }), ...(needsEntity && { entity: true }) }
}

/** Makes the steps over one source, from its first row on. It throws `history_too_large`. */
export function smoothSource(asked: ScoreSteps, line: number, places: SmoothingPlaces, maxBytes: number): Smoother {
  const steps = stepsOf(asked, line)
  const entities: KeptScores[][] = []
  let bytes = 0
  return smoothWith(places, (id, _, time, score) => {
    let kept = entities[id]
    if (kept === undefined) {
      kept = entities[id] = steps.map(({ create }) => create(null))
      for (const one of kept) bytes += one.bytes + entityBytes(null)
    }
    let become = score
    for (const one of kept) {
      bytes -= one.bytes
      become = one.take(become, time)
      bytes += one.bytes
    }
    if (bytes <= maxBytes) return become
    throw new DeepWatchError(
      'history_too_large',
      `The scores in the windows of ${entities.length} entities take more than ${Math.floor(maxBytes / 2 ** 20)} MiB; a shorter window needs less.`,
      { facts: { entities: entities.length, limit: maxBytes } },
    )
  })
}

/** Makes the steps for live rows, going on from those before. */
export function smoothLive(
  asked: ScoreSteps,
  line: number,
  places: SmoothingPlaces,
  windows: Windows,
  owner: WindowOwner,
): Smoother {
  const steps = stepsOf(asked, line)
  return smoothWith(places, (_, entity, time, score) =>
    steps.reduce(
      (become, { slot, create }) => windows.visit({ owner, slot, entity }, create, (kept) => kept.take(become, time)),
      score,
    ),
  )
}

function smoothWith({ timestamp, entity }: SmoothingPlaces, take: Take): Smoother {
  return ({ block, entity: nameOf }, { scores }) => {
    const at = (column: number | null, row: number) =>
      column === null ? Number.NaN : (block.values[column * block.stride + row] as number)
    for (let row = 0; row < block.rows; row++) {
      const score = scores[row]!
      if (Number.isNaN(score)) continue
      const id = entity === null ? 0 : at(entity, row)
      scores[row] = take(id, nameOf?.(id) ?? null, at(timestamp, row), score)
    }
  }
}

interface Scored {
  readonly piece: FeatureBlock
  readonly result: BlockScores
}

/** The same blocks, smoothed one after the other. */
export async function* smoothInOrder(blocks: AsyncIterable<Scored>, smooth: Smoother): AsyncGenerator<Scored> {
  for await (const scored of blocks) {
    smooth(scored.piece, scored.result)
    yield scored
  }
}

/** The same blocks, smoothed all at once when their turn has come: whoever takes an answer slowly must not hold up others. */
export async function* smoothInTurn(
  blocks: AsyncIterable<Scored>,
  smooth: Smoother,
  turn: Turn,
): AsyncGenerator<Scored> {
  const all: Scored[] = []
  try {
    for await (const scored of blocks) all.push(scored)
    await turn.come
    for (const { piece, result } of all) smooth(piece, result)
  } finally {
    turn.leave()
  }
  yield* all
}

/** Shares of the way from the threshold to 1 for which the delay is told. */
const heights = [0.1, 0.25, 0.5, 1]
/** Rows after which a delay is given up. */
const maxRows = 1_000_000

/**
 * How many rows of a score it takes until the smoothed one passes the threshold, tried out after a window of typical scores.
 * @param counts histogram of the smoothed training scores @param interval typical step in microseconds
 */
export function describeSmoothing(
  window: number | string,
  threshold: number,
  counts: ArrayLike<number>,
  interval: number | null,
): Smoothing {
  const typical = medianOf(counts)
  const { rows, micros } = meanWindow(window)
  const inWindow = rows ?? (interval === null ? null : Math.ceil(micros! / interval))
  const delay = heights.map((height) => {
    const score = threshold + height * (1 - threshold)
    const needed = inWindow === null || inWindow > maxRows ? null : rowsUntil(inWindow, typical, score, threshold)
    const seconds = needed === null || interval === null ? null : ((needed - 1) * interval) / 1e6
    return { score, rows: needed, seconds }
  })
  return { window, delay }
}

function rowsUntil(inWindow: number, typical: number, score: number, threshold: number): number | null {
  const mean = new TrailingMean({ rows: inWindow, micros: null })
  for (let row = 0; row < inWindow; row++) mean.take(typical, 0)
  for (let row = 1; row <= inWindow; row++) if (mean.take(score, 0) > threshold) return row
  return null
}

function medianOf(counts: ArrayLike<number>): number {
  const all = Array.from(counts)
  const half = all.reduce((sum, count) => sum + count, 0) / 2
  let below = 0
  const bin = all.findIndex((count) => {
    below += count
    return below >= half
  })
  return (bin + 0.5) / scoreBins
}
