/**
 * The inner end of the thread pool: one exported function per kind of task. Never throws; what goes
 * wrong comes back as a `Failure`. Knows numbers and detectors, no files, no settings, no metrics.
 */
import { createEntityScorer, findDetector, fitEntity, type Scorer } from '../src/detectors/index.ts'
import { DeepWatchError } from '../src/errors.ts'
import { shareTogether } from '../src/kernels/index.ts'
import { findUnusable, profileBlock } from '../src/kernels/models/index.ts'
import { sampleOf } from '../src/kernels/sampling/index.ts'
import { arrangeColumns, raiseOutside, rank as rankScores } from '../src/kernels/scores/index.ts'
import type {
  ArrangeTask,
  Failure,
  FitEntitiesResult,
  FitEntitiesTask,
  FitResult,
  FitTask,
  Inspection,
  InspectTask,
  JoinResult,
  JoinTask,
  PrepareSmallBatchResult,
  PrepareSmallBatchTask,
  RankResult,
  RankTask,
  Reply,
  ScoreEntitiesTask,
  ScoreResult,
  ScoreTask,
  Stoppable,
  Stopped,
} from './messages.ts'

/** One scorer per detector; each keeps its prepared models within a bound. */
const scorers = new Map<string, Scorer>()

function scorerOf(id: string): Scorer {
  let scorer = scorers.get(id)
  if (scorer === undefined) {
    scorer = findDetector(id).createScorer()
    scorers.set(id, scorer)
  }
  return scorer
}

/** The same for models per entity. */
const entityScorers = new Map<string, ReturnType<typeof createEntityScorer>>()

function entityScorerOf(id: string): ReturnType<typeof createEntityScorer> {
  let scorer = entityScorers.get(id)
  if (scorer === undefined) {
    scorer = createEntityScorer(scorerOf(id))
    entityScorers.set(id, scorer)
  }
  return scorer
}

function answer<Result extends object>(work: () => Result): Reply<Result> {
  try {
    return { ...work(), ok: true }
  } catch (error) {
    return failureOf(error)
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof DeepWatchError) {
    return { ok: false, code: error.code, detail: error.message, cause: String(error.cause ?? '') }
  }
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { ok: false, code: 'internal_error', detail: 'A computation failed.', cause }
}

/** Profile and unusable rows of one block. */
export function inspect({ block, features, usableOnly }: InspectTask): Reply<Inspection> {
  return answer(() => {
    const profile = profileBlock(block, features)
    const unusable = findUnusable(block, profile)
    const isPartial = usableOnly && unusable.marks !== null
    return { ...unusable, profile: isPartial ? profileBlock(block, features, unusable.marks) : profile }
  })
}

/**
 * Works through from..to-1 in steps until the end, or until a look up says that others have their turn.
 * @param work does those from `at` to `until` - 1
 * @returns where it stopped
 */
function untilPause({ from, to, pauses }: Stoppable, work: (at: number, until: number) => void): number {
  const start = performance.now()
  const isOver = () =>
    pauses !== null && (Atomics.load(pauses.wanted, 0) !== 0 || performance.now() - start >= pauses.milliseconds)
  for (let at = from; ; ) {
    const until = pauses === null ? to : Math.min(to, at + pauses.step)
    work(at, until)
    at = until
    if (at >= to || isOver()) return at
  }
}

/** Fits some of a model's pieces; all of them it puts together at once, which saves a message. */
export function fit({ detector, effective, seed, samples, varying, deviations, ...share }: FitTask): Reply<FitResult> {
  return answer(() => {
    const found = findDetector(detector)
    const pieces: Uint8Array[] = []
    const to = untilPause(share, (at, until) => {
      for (let piece = at; piece < until; piece++) {
        const sample = sampleOf(samples, samples.count === 1 ? 0 : piece)
        pieces.push(found.fitPiece({ sample, piece, effective, seed, varying, deviations }))
      }
    })
    const isWhole = share.from === 0 && to === found.pieces(effective)
    if (!isWhole) return { pieces: shareTogether(pieces), payload: null, to }
    return { pieces: [], payload: found.join({ pieces, effective, seed, features: samples.lanes, samples }), to }
  })
}

/** Fits the models of some entities. */
export function fitEntities({ detector, samples, ...how }: FitEntitiesTask): Reply<FitEntitiesResult> {
  return answer(() => {
    const found = findDetector(detector)
    return { models: samples.map((sample) => fitEntity(found, sample, how)) }
  })
}

/** Puts the pieces of a model together. */
export function join({ detector, ...input }: JoinTask): Reply<JoinResult> {
  return answer(() => ({ payload: findDetector(detector).join(input) }))
}

/** Ranks scores against their labels; sorts them where they are. */
export function rank(task: RankTask): Reply<RankResult> {
  return answer(() => ({ ranking: rankScores(task) }))
}

/** Scores some rows of a block into the shared arrays of the task. */
export function score({
  detector,
  payload,
  guards,
  from,
  to,
  pauses,
  ...task
}: ScoreTask): Reply<ScoreResult & Stopped> {
  return answer(() => {
    const start = performance.now()
    const scorer = scorerOf(detector)
    const input = { ...task, payload: new Uint8Array(payload) }
    const stopped = untilPause({ from, to, pauses }, (at, until) => {
      scorer.score({ ...input, from: at, to: until })
      if (guards !== null) raiseOutside(guards, task.block, at, until, task.scores)
    })
    return { seconds: (performance.now() - start) / 1000, to: stopped }
  })
}

/** Prepares a model for small batches, which no thread scores. */
export function prepareSmallBatch({ detector, payload }: PrepareSmallBatchTask): Reply<PrepareSmallBatchResult> {
  return answer(() => ({ prepared: findDetector(detector).fewRows?.prepare(new Uint8Array(payload)) ?? null }))
}

/** Copies some columns of a block with its rows in another order. */
export function arrange({ block, order, into, from, to }: ArrangeTask): Reply<object> {
  return answer(() => {
    arrangeColumns(block, order, into, from, to)
    return {}
  })
}

/** Scores some rows of a block, each with the model of its entity, into the shared arrays of the task. */
export function scoreEntities({ detector, payload, ...task }: ScoreEntitiesTask): Reply<ScoreResult> {
  return answer(() => {
    const start = performance.now()
    entityScorerOf(detector).score({ ...task, payload: new Uint8Array(payload) })
    return { seconds: (performance.now() - start) / 1000 }
  })
}
