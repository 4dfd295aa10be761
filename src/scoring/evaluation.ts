/**
 * How good the flags of a version are on labelled telemetry, beside a random score that flags as much.
 * No accuracy, which is high for whoever flags nothing; no point adjustment, which is high for chance.
 */
import { readFacts, withScores } from '../aggregate/index.ts'
import { DeepWatchError } from '../errors.ts'
import { createEventJudge } from '../kernels/history/index.ts'
import { createRandom } from '../kernels/sampling/index.ts'
import { createScoreList, createTopScores, f1Of } from '../kernels/scores/index.ts'
import type { Pool } from '../pool/index.ts'
import type { ExtraColumns } from '../reader/index.ts'
import type { EvaluateSettings, Evaluation, Figures } from '../schemas/index.ts'
import type { Scratch, Source } from '../sources/index.ts'
import type { RowFacts } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { type Prepared, prepareScoring, requireColumns, type ScoreStreamParts, scoreStream } from './stream.ts'

/** Labelled rows one evaluation can rank: 8 bytes each are held, and twice that while they are ranked. */
const maxRows = 20_000_000
/** Entities that events are told apart for. */
const maxEntities = 100_000
/** The random score is the same for everybody, so that an evaluation can be repeated. */
const randomSeed = 20_080_101

/** Rows that follow each other in the source. `text` tells entities apart; it is not their name. */
export type HeldRows = Pick<RowFacts, 'rows' | 'labels' | 'times' | 'text'>

export function createEvaluation(parts: ScoreStreamParts) {
  return {
    /**
     * Scores a labelled source and compares. Nothing is counted into the metrics.
     * Errors: those of `prepareScoring`, `validation_failed` without a label column, `type_mismatch` for a label
     * that is none, `one_class` when no row or every row is an anomaly, `evaluation_too_large`.
     */
    async evaluate(settings: EvaluateSettings, upload: Source | null, work: Work): Promise<Evaluation> {
      const handle = await parts.registry.resolve(settings.model)
      const found = await prepareScoring(parts, handle, settings, upload, { signal: work.signal })
      try {
        const prepared = asksForLabels(found, settings)
        return await compare(parts.pool, prepared, scoreStream(parts, prepared, work), null, work)
      } finally {
        await found.opened.close()
      }
    },
  }
}

/** Scores in source order, and what is known of their rows already. */
export interface Spooled {
  readonly scratch: Scratch
  readonly counted: Counted | null
  /** Labels, times and entities of all rows; null when they have to be read. */
  readonly held: Iterable<HeldRows> | null
}

/** The same for spooled scores: nothing is scored again, and counted rows are read once. Errors: as `createEvaluation`. */
export async function evaluateSpooled(
  pool: Pool,
  found: Prepared,
  settings: Pick<EvaluateSettings, 'label' | 'entity'>,
  { scratch, counted, held }: Spooled,
  work: Work,
): Promise<Evaluation> {
  const prepared = asksForLabels(found, settings)
  const rows = held === null ? readRows(prepared) : Array.from(held, (facts) => ({ facts }))
  return compare(pool, prepared, withScores<{ readonly facts: HeldRows }>(rows, scratch), counted, work)
}

/** The query with what an evaluation needs beside the features: label, time and entity. */
function asksForLabels(found: Prepared, settings: Pick<EvaluateSettings, 'label' | 'entity'>): Prepared {
  const { roles } = found.handle.document
  const label = settings.label ?? roles.label
  if (label === null) throw new DeepWatchError('validation_failed', 'label: the model knows no label column; name one.')
  requireColumns(found.description, [label], 'label')
  const entity = settings.entity ?? roles.entity
  const isThere = entity !== null && found.description.columns.some((column) => column.name === entity)
  const extra: ExtraColumns = { ...found.query.extra, timestamp: found.query.timestamp !== undefined, label }
  return { ...found, query: { ...found.query, extra, include: isThere ? [entity] : undefined } }
}

interface JudgedRows {
  readonly facts: HeldRows
  readonly scores: Float64Array
}

async function compare(
  pool: Pool,
  prepared: Prepared,
  blocks: AsyncIterable<JudgedRows>,
  counted: Counted | null,
  work: Work,
): Promise<Evaluation> {
  const { handle } = prepared
  const threshold = handle.document.threshold.value
  const own = new Judgement(threshold)
  const sameTime = counted && (await createChance(counted))
  // Which rows are judged, for the second reading.
  const judged = sameTime ? null : createMarks()
  let rows = 0
  for await (const { facts, scores } of blocks) {
    if (judged) markJudged(judged, facts, scores)
    own.take(facts, scores)
    sameTime?.take(facts, (row) => !Number.isNaN(scores[row]!))
    rows += facts.rows
  }
  if (counted && (own.rows !== counted.rows || own.flagged !== counted.flagged))
    throw new DeepWatchError('source_changed', 'The readings of the source brought other rows.')
  own.requireBothClasses()
  work.progress?.begin('judging', rows)
  const chance = sameTime ?? (await judgeChance(prepared, judged!, own, work))
  const [figures, random] = await Promise.all([
    own.figures(pool, work.signal),
    chance.judgement.figures(pool, work.signal),
  ])
  const { unlabelled, unscored } = own
  return { model: handle.name, version: handle.version, threshold, ...figures, random, rows, unlabelled, unscored }
}

function markJudged(judged: Marks, { rows, labels }: HeldRows, scores: Float64Array): void {
  for (let row = 0; row < rows; row++)
    judged.push(labels !== null && !Number.isNaN(labels[row]!) && !Number.isNaN(scores[row]!))
}

/** The rows that are judged, and how many of them are flagged. */
export interface Counted {
  readonly rows: number
  readonly flagged: number
}

/** The same figures for a random score: the rows are read once more, because how many it has to flag is known only now. */
async function judgeChance(prepared: Prepared, judged: Marks, own: Judgement, work: Work): Promise<Chance> {
  const chance = await createChance(own)
  let rows = 0
  for await (const { facts } of readRows(prepared)) {
    const first = rows
    chance.take(facts, (row) => judged.has(first + row))
    rows += facts.rows
    work.progress?.advance(facts.rows)
  }
  return chance
}

type Chance = Awaited<ReturnType<typeof createChance>>

/** Gives every judged row a random score, of which as many are flagged as were. */
async function createChance({ rows, flagged }: Counted) {
  const random = createRandom(randomSeed, 0)
  const judgement = new Judgement(await chanceThreshold(rows, flagged))
  return {
    judgement,
    /** `isScored` tells which labelled rows have a score of the model. */
    take(facts: HeldRows, isScored: (row: number) => boolean): void {
      const { rows, labels } = facts
      const scores = new Float64Array(rows).fill(Number.NaN)
      for (let row = 0; labels !== null && row < rows; row++)
        if (!Number.isNaN(labels[row]!) && isScored(row)) scores[row] = random.nextFloat()
      judgement.take(facts, scores)
    },
  }
}

/** The rows once more, without their features. */
function readRows({ opened, query }: Prepared) {
  // One feature stands for all: its values are not looked at, and nothing is derived for them where that can be.
  const one = query.features.find((feature) => !('derived' in feature)) ?? query.features[0]!
  const features = [one]
  const history = 'derived' in one ? query.history : undefined
  return readFacts(opened.telemetry, { ...query, features, history })
}

/** The threshold above which exactly `flagged` of the `rows` random scores lie. */
async function chanceThreshold(rows: number, flagged: number): Promise<number> {
  const top = createTopScores(rows, flagged / rows)
  const chunk = new Float64Array(65_536)
  for (;;) {
    const random = createRandom(randomSeed, 0)
    for (let done = 0; done < rows; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, rows - done))
      random.nextFloats(part)
      top.offer(part)
      // Others get their turn between the chunks.
      await new Promise(setImmediate)
    }
    const found = top.finish()
    if (found) return found.value
  }
}

/** Collects judged rows and turns them into figures. */
class Judgement {
  readonly #threshold: number
  readonly #positive = createScoreList()
  readonly #negative = createScoreList()
  readonly #events = createEventJudge()
  /** Flagged rows that are no anomalies, and that are. */
  readonly #flagged: [fp: number, tp: number] = [0, 0]
  #hasTime = false
  /** Rows without a label, and rows with one but without a score. */
  unlabelled = 0
  unscored = 0

  constructor(threshold: number) {
    this.#threshold = threshold
  }

  get rows(): number {
    return this.#positive.length + this.#negative.length
  }

  get flagged(): number {
    return this.#flagged[0] + this.#flagged[1]
  }

  /** Takes the rows that have a label and a score. */
  take(facts: HeldRows, scores: Float64Array): void {
    const { rows, labels, times } = facts
    if (labels === null) {
      this.unlabelled += rows
      return
    }
    for (let row = 0; row < rows; row++) {
      const label = labels[row]!
      const score = scores[row]!
      if (Number.isNaN(label)) this.unlabelled++
      else if (Number.isNaN(score)) this.unscored++
      else {
        const isFlagged = this.#judge(score, label === 1)
        const time = times?.[row] ?? Number.NaN
        if (Number.isNaN(time)) continue
        this.#hasTime = true
        this.#events.row(facts.text(row) ?? '', time, label, isFlagged)
      }
    }
    if (this.rows > maxRows) throw tooLarge('rows', maxRows)
    if (this.#events.entities > maxEntities) throw tooLarge('entities', maxEntities)
  }

  /** Counts a row; whether it is flagged. */
  #judge(score: number, isAnomaly: boolean): boolean {
    const list = isAnomaly ? this.#positive : this.#negative
    list.push(score)
    const isFlagged = score > this.#threshold
    if (isFlagged) this.#flagged[isAnomaly ? 1 : 0]++
    return isFlagged
  }

  /** Throws `one_class` when there is nothing to compare. */
  requireBothClasses(): void {
    const [anomalies, others] = [this.#positive.length, this.#negative.length]
    if (anomalies > 0 && others > 0) return
    const what = anomalies === 0 ? 'no labelled row is an anomaly' : 'every labelled row is an anomaly'
    throw new DeepWatchError('one_class', `There is nothing to compare: ${what}.`, { facts: { anomalies, others } })
  }

  /** Sorting millions of scores is left to a thread. */
  async figures(pool: Pool, signal: AbortSignal): Promise<Figures> {
    const labelled = { positive: this.#positive.toArray(), negative: this.#negative.toArray() }
    const ranking = await pool.rank(labelled, { signal, patient: true })
    const [fp, tp] = this.#flagged
    const confusion = { tp, fp, tn: labelled.negative.length - fp, fn: labelled.positive.length - tp }
    const { fn } = confusion
    return {
      precision: tp + fp === 0 ? 0 : tp / (tp + fp),
      recall: tp / (tp + fn),
      f1: f1Of(tp, fp, fn),
      ...ranking,
      confusion,
      events: this.#hasTime ? this.#events.figures() : null,
    }
  }
}

function tooLarge(what: string, limit: number): DeepWatchError {
  return new DeepWatchError(
    'evaluation_too_large',
    `An evaluation takes at most ${limit} ${what}; a window narrows the source.`,
    { facts: { limit } },
  )
}

type Marks = ReturnType<typeof createMarks>

/** One bit per row, in a list that grows. */
function createMarks() {
  let bits = new Uint8Array(65_536)
  let length = 0
  return {
    push(mark: boolean): void {
      if (length >> 3 === bits.length) {
        const longer = new Uint8Array(2 * bits.length)
        longer.set(bits)
        bits = longer
      }
      if (mark) bits[length >> 3]! |= 1 << (length & 7)
      length++
    },
    has: (index: number): boolean => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
  }
}
