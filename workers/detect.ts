/** The inner end of the pool: an exported function per kind of task of `ThreadTasks`. Never throws: an error is a `Failure`. */
import { createEntityScorer, findDetector, fitEntity } from '../src/detectors/index.ts'
import { DeepWatchError } from '../src/errors.ts'
import { shareTogether } from '../src/kernels/index.ts'
import { findUnusable, profileBlock } from '../src/kernels/models/index.ts'
import { sampleOf } from '../src/kernels/sampling/index.ts'
import { arrangeColumns, raiseOutside, rank as rankScores } from '../src/kernels/scores/index.ts'
import type { Reply, Stoppable, ThreadTasks } from './messages.ts'

/** The same for every call with an id: `create` is asked once. */
function perDetector<Made>(create: (id: string) => Made): (id: string) => Made {
  const made = new Map<string, Made>()
  return (id) => {
    if (!made.has(id)) made.set(id, create(id))
    return made.get(id)!
  }
}

/** A scorer keeps its prepared models within a bound. */
const scorerOf = perDetector((id) => findDetector(id).createScorer())
const entityScorerOf = perDetector((id) => createEntityScorer(scorerOf(id)))

/** The same function, whose errors are answers. */
function answering<Work extends (task: never) => object>(work: Work) {
  return (task: Parameters<Work>[0]): Reply<ReturnType<Work>> => {
    try {
      return { ...(work(task as never) as ReturnType<Work>), ok: true }
    } catch (error) {
      if (error instanceof DeepWatchError)
        return { ok: false, code: error.code, detail: error.message, cause: String(error.cause ?? '') }
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { ok: false, code: 'internal_error', detail: 'A computation failed.', cause }
    }
  }
}

export const inspect = answering<ThreadTasks['inspect']>(({ block, features, usableOnly }) => {
  const profile = profileBlock(block, features)
  const unusable = findUnusable(block, profile)
  const isPartial = usableOnly && unusable.marks !== null
  return { ...unusable, profile: isPartial ? profileBlock(block, features, unusable.marks) : profile }
})

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

/** All pieces of a model are put together at once, which saves a message. */
export const fit = answering<ThreadTasks['fit']>(
  ({ detector, effective, seed, samples, varying, deviations, ...share }) => {
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
    return { pieces: [], payload: found.join({ pieces, effective, seed, features: samples.columns, samples }), to }
  },
)

export const fitEntities = answering<ThreadTasks['fitEntities']>(({ detector, samples, ...how }) => {
  const found = findDetector(detector)
  return { models: samples.map((sample) => fitEntity(found, sample, how)) }
})

export const join = answering<ThreadTasks['join']>(({ detector, ...input }) => {
  return { payload: findDetector(detector).join(input) }
})

export const rank = answering<ThreadTasks['rank']>((task) => ({ ranking: rankScores(task) }))

export const score = answering<ThreadTasks['score']>(({ detector, payload, guards, from, to, pauses, ...task }) => {
  const start = performance.now()
  const scorer = scorerOf(detector)
  const input = { ...task, payload: new Uint8Array(payload) }
  const stopped = untilPause({ from, to, pauses }, (at, until) => {
    scorer.score({ ...input, from: at, to: until })
    if (guards !== null) raiseOutside(guards, task.block, at, until, task.scores)
  })
  return { seconds: (performance.now() - start) / 1000, to: stopped }
})

export const scoreEntities = answering<ThreadTasks['scoreEntities']>(({ detector, payload, ...task }) => {
  const start = performance.now()
  entityScorerOf(detector).score({ ...task, payload: new Uint8Array(payload) })
  return { seconds: (performance.now() - start) / 1000 }
})

export const prepareSmallBatch = answering<ThreadTasks['prepareSmallBatch']>(({ detector, payload }) => {
  return { prepared: findDetector(detector).smallBatches?.prepare(new Uint8Array(payload)) ?? null }
})

export const arrange = answering<ThreadTasks['arrange']>(({ block, order, into, from, to }) => {
  arrangeColumns(block, order, into, from, to)
  return {}
})
