/** Training on the threads: the pieces of one model, or the models of many entities. */
import type { FitEntitiesTask, FitTask, Pauses, ResultOf, Stoppable } from '../../workers/messages.ts'
import { findDetector } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { CallOptions, TaskQueue } from './queue.ts'
import { cutEvenly, type Task } from './tasks.ts'

/** The pieces of a model, all of them; `effective` comes from the detector's `resolve`. */
export type FitRequest = Omit<FitTask, keyof Stoppable>

export interface FitEntitiesRequest extends FitEntitiesTask {
  /** Bytes that all models together may take. */
  readonly maxBytes: number
}

/** Rows that the pieces of one task learn from, at least: a millisecond of work or more, beside which its message counts little. */
const minTaskRows = 4_096
/** Entities that one task fits models for: some tens of milliseconds. */
const entitiesPerTask = 4
/** Entities of a round of such tasks. What is too large is found out after a round, before all of it is there. */
const entitiesPerRound = 64 * entitiesPerTask

/** The payload of a model: the same bytes for any number of threads. */
export async function fitModel(
  queue: TaskQueue<Task>,
  threads: number,
  { detector, effective, seed, samples, varying, deviations }: FitRequest,
  pauses: Pauses,
  options: CallOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const count = findDetector(detector).pieces(effective)
  const parts = Math.min(threads, Math.ceil((count * samples.filled) / minTaskRows))
  const share = { detector, effective, seed, samples, varying, deviations, pauses }
  const tasks = cutEvenly(count, parts).map(([from, to]): Task => ({ name: 'fit', message: { ...share, from, to } }))
  const results = await queue.runAll<ResultOf<'fit'>>(tasks, options)
  // One thread that fitted all pieces has put them together.
  const whole = results[0]?.payload
  if (whole) return whole
  const pieces = results.flatMap((result) => result.pieces)
  const message = { detector, pieces, effective, seed, features: samples.columns, samples }
  return (await queue.runOne<ResultOf<'join'>>({ name: 'join', message }, options)).payload
}

/** The model of each entity, the same bytes for any number of threads; null where nothing varies in its sample. */
export async function fitEntityModels(
  queue: TaskQueue<Task>,
  { samples, maxBytes, ...request }: FitEntitiesRequest,
  options: CallOptions,
): Promise<(Uint8Array<ArrayBuffer> | null)[]> {
  const models: (Uint8Array<ArrayBuffer> | null)[] = []
  let bytes = 0
  for (let first = 0; first < samples.length; first += entitiesPerRound) {
    const round = samples.slice(first, first + entitiesPerRound)
    const tasks = cutEvenly(round.length, Math.ceil(round.length / entitiesPerTask)).map(
      ([from, to]): Task => ({ name: 'fitEntities', message: { ...request, samples: round.slice(from, to) } }),
    )
    const results = await queue.runAll<ResultOf<'fitEntities'>>(tasks, { ...options, patient: true })
    const fitted = results.flatMap((result) => result.models)
    models.push(...fitted)
    bytes += fitted.reduce((sum, model) => sum + (model?.byteLength ?? 0), 0)
    if (bytes > maxBytes) throw tooLarge(models.length, samples.length, bytes, maxBytes)
  }
  return models
}

function tooLarge(done: number, entities: number, bytes: number, limit: number): DeepWatchError {
  const needed = Math.ceil((bytes / done) * entities)
  return new DeepWatchError(
    'training_too_large',
    `The models of ${entities} entities would take some ${Math.ceil(needed / 2 ** 20)} MiB, ${Math.ceil(needed / entities / 1024)} KiB each; the limit is ${Math.floor(limit / 2 ** 20)} MiB. Fewer trees, a smaller sampleSize or fewer entities need less.`,
    { facts: { bytes: needed, limit, entities } },
  )
}
