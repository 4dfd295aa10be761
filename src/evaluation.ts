/**
 * Evaluation: how good the flags of a version are on labelled telemetry, beside a random score that flags
 * as much. No accuracy, which is high for whoever flags nothing; no point adjustment, which is high for chance.
 */
import { DeepWatchError } from './errors.ts'
import { createEventJudge } from './kernels/events.ts'
import { createRandom } from './kernels/random.ts'
import { f1Of } from './kernels/ranking.ts'
import { createScoreList } from './kernels/score-list.ts'
import { createTopScores } from './kernels/top-scores.ts'
import type { Pool } from './pool.ts'
import type { ExtraLanes } from './reader-types.ts'
import type { EvaluateSettings, Evaluation, Figures } from './schemas/evaluate.ts'
import { type Prepared, prepareScoring, requireColumns, type ScoreStreamParts, scoreStream } from './score-stream.ts'
import { type RowFacts, rowFacts } from './scored-block.ts'
import type { Scratch } from './scratch.ts'
import type { Source } from './sources.ts'
import type { Work } from './work.ts'

export interface EvaluationUseCase {
  /**
   * Scores a labelled source and compares. Nothing is counted into the metrics.
   * Errors: those of `prepareScoring`, `validation_failed` without a label column, `type_mismatch` for a label
   * that is none, `one_class` when no row or every row is an anomaly, `evaluation_too_large`.
   */
  evaluate(settings: EvaluateSettings, upload: Source | null, work: Work): Promise<Evaluation>
}

/** Labelled rows one evaluation can rank: 8 bytes each are held, and twice that while they are sorted. */
const mostRows = 20_000_000
/** Entities that events are told apart for. */
const mostEntities = 100_000
/** The random score is the same for everybody, so that an evaluation can be repeated. */
const randomSeed = 20_080_101

export function createEvaluation(parts: ScoreStreamParts): EvaluationUseCase {
  return {
    async evaluate(settings, upload, work) {
      const handle = await parts.registry.resolve(settings.model)
      const found = await prepareScoring(parts, handle, settings, upload, { signal: work.signal })
      try {
        const prepared = asksForLabels(found, settings)
        return await compare(parts.pool, prepared, scoreStream(parts, prepared, work), work)
      } finally {
        await found.opened.close()
      }
    },
  }
}

/**
 * The same evaluation for scores that were spooled: labels, times and entities are read, nothing is scored again.
 * Errors: as `EvaluationUseCase.evaluate`.
 */
export async function evaluateSpooled(
  pool: Pool,
  found: Prepared,
  settings: Pick<EvaluateSettings, 'label' | 'entity'>,
  scratch: Scratch,
  work: Work,
): Promise<Evaluation> {
  const prepared = asksForLabels(found, settings)
  return compare(pool, prepared, spooledRows(prepared, scratch), work)
}

/** The query with what an evaluation needs beside the features: label, time and entity. */
function asksForLabels(found: Prepared, settings: Pick<EvaluateSettings, 'label' | 'entity'>): Prepared {
  const { roles } = found.handle.document
  const label = settings.label ?? roles.label
  if (label === null) throw new DeepWatchError('validation_failed', 'label: the model knows no label column; name one.')
  requireColumns(found.description, [label], 'label')
  const entity = settings.entity ?? roles.entity
  const isThere = entity !== null && found.description.columns.some((column) => column.name === entity)
  const lanes: ExtraLanes = { ...found.query.lanes, timestamp: found.query.timestamp !== undefined, label }
  return { ...found, query: { ...found.query, lanes, include: isThere ? [entity] : undefined } }
}

type JudgedRows = RowFacts & { readonly scores: Float64Array }

async function compare(
  pool: Pool,
  prepared: Prepared,
  blocks: AsyncIterable<JudgedRows>,
  work: Work,
): Promise<Evaluation> {
  const { handle } = prepared
  const threshold = handle.document.threshold.value
  const own = createJudgement(threshold)
  const judged = createMarks()
  let rows = 0
  let unlabelled = 0
  let unscored = 0
  for await (const block of blocks) {
    for (let row = 0; row < block.rows; row++) {
      const label = block.label(row)
      const score = block.scores[row]!
      const isJudged = !Number.isNaN(label) && !Number.isNaN(score)
      judged.push(isJudged)
      if (isJudged) own.row(block.text(row), block.time(row), label, score)
      else if (Number.isNaN(label)) unlabelled++
      else unscored++
    }
    rows += block.rows
  }
  const figures = await own.figures(pool, work.signal)
  work.progress?.begin('judging', rows)
  const random = await judgeChance(pool, prepared, judged, own, work)
  return { model: handle.name, version: handle.version, threshold, ...figures, random, rows, unlabelled, unscored }
}

/**
 * The same figures for a random score: the rows are read once more, without scoring, because how many it
 * has to flag is known only now.
 */
async function judgeChance(
  pool: Pool,
  prepared: Prepared,
  judged: Marks,
  own: Judgement,
  work: Work,
): Promise<Figures> {
  const random = createRandom(randomSeed, 0)
  const chance = createJudgement(await chanceThreshold(own.rows, own.flagged))
  let next = 0
  for await (const block of readRows(prepared)) {
    for (let row = 0; row < block.rows; row++) {
      if (judged.has(next++)) chance.row(block.text(row), block.time(row), block.label(row), random.nextFloat())
    }
    work.progress?.advance(block.rows)
  }
  return chance.figures(pool, work.signal)
}

/** The rows once more, without their features. */
async function* readRows({ opened, query }: Prepared): AsyncGenerator<RowFacts> {
  // One feature stands for all: its values are not looked at, and nothing is derived for them where that can be.
  const one = query.features.find((lane) => !('derived' in lane)) ?? query.features[0]!
  const features = [one]
  const history = 'derived' in one ? query.history : undefined
  for await (const piece of opened.telemetry.features({ ...query, features, history })) {
    try {
      yield rowFacts(features.length, query.lanes ?? {}, piece)
    } finally {
      piece.release()
    }
  }
}

/** The rows once more, with the scores they were given. */
async function* spooledRows(prepared: Prepared, scratch: Scratch): AsyncGenerator<JudgedRows> {
  const file = await scratch.readScores()
  try {
    for await (const block of readRows(prepared)) {
      const scores = new Float64Array(block.rows)
      await file.next(scores)
      yield { ...block, scores }
    }
  } finally {
    await file.close()
  }
}

/** The threshold above which exactly `flagged` of the `rows` random scores lie. */
async function chanceThreshold(rows: number, flagged: number): Promise<number> {
  const top = createTopScores(rows, flagged / rows)
  const random = createRandom(randomSeed, 0)
  const chunk = new Float64Array(65_536)
  for (let done = 0; done < rows; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, rows - done))
    for (let i = 0; i < part.length; i++) part[i] = random.nextFloat()
    top.offer(part)
    // Others get their turn between the chunks.
    await new Promise(setImmediate)
  }
  return top.threshold().value
}

type Judgement = ReturnType<typeof createJudgement>

/** Collects judged rows and turns them into figures. */
function createJudgement(threshold: number) {
  const positive = createScoreList()
  const negative = createScoreList()
  const events = createEventJudge()
  const confusion = { tp: 0, fp: 0, tn: 0, fn: 0 }
  let timed = 0
  return {
    get rows() {
      return positive.length + negative.length
    },
    get flagged() {
      return confusion.tp + confusion.fp
    },
    row(entity: string | null, time: number, label: number, score: number): void {
      const flagged = score > threshold
      const list = label === 1 ? positive : negative
      list.push(score)
      if (positive.length + negative.length > mostRows) throw tooLarge('rows', mostRows)
      if (label === 1) confusion[flagged ? 'tp' : 'fn']++
      else confusion[flagged ? 'fp' : 'tn']++
      if (Number.isNaN(time)) return
      timed++
      events.row(entity ?? '', time, label, flagged)
      if (events.entities > mostEntities) throw tooLarge('entities', mostEntities)
    },
    /** Sorting millions of scores is left to a thread. */
    async figures(pool: Pool, signal: AbortSignal): Promise<Figures> {
      requireBothClasses(positive.length, negative.length)
      const labelled = { positive: positive.toArray(), negative: negative.toArray() }
      const ranking = await pool.rank(labelled, { signal, patient: true })
      const { tp, fp, fn } = confusion
      return {
        precision: tp + fp === 0 ? 0 : tp / (tp + fp),
        recall: tp / (tp + fn),
        f1: f1Of(tp, fp, fn),
        ...ranking,
        confusion,
        events: timed === 0 ? null : events.figures(),
      }
    },
  }
}

function requireBothClasses(anomalies: number, others: number): void {
  if (anomalies > 0 && others > 0) return
  const what = anomalies === 0 ? 'no labelled row is an anomaly' : 'every labelled row is an anomaly'
  throw new DeepWatchError('one_class', `There is nothing to compare: ${what}.`, { facts: { anomalies, others } })
}

function tooLarge(what: string, limit: number): DeepWatchError {
  return new DeepWatchError(
    'evaluation_too_large',
    `An evaluation takes at most ${limit} ${what}; a window narrows the source.`,
    { facts: { limit } },
  )
}

/** One bit per row, in a list that grows. */
interface Marks {
  push(mark: boolean): void
  has(index: number): boolean
}

function createMarks(): Marks {
  let bits = new Uint8Array(65_536)
  let length = 0
  return {
    push(mark) {
      if (length >> 3 === bits.length) {
        const longer = new Uint8Array(2 * bits.length)
        longer.set(bits)
        bits = longer
      }
      if (mark) bits[length >> 3]! |= 1 << (length & 7)
      length++
    },
    has: (index) => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
  }
}
