/** Scoring on the threads when every entity has a model of its own. */
import type { ScoreResult } from '../../workers/messages.ts'
import { arrangeColumns, cutRuns, groupRows } from '../kernels/scores/index.ts'
import type { CallOptions, TaskQueue } from './queue.ts'
import { createRooms } from './rooms.ts'
import { cutEvenly, type ScoreMessage, sliceRows, sumSeconds, type Task } from './tasks.ts'
import type { ScoringModel } from './types.ts'

/** Values that are put in another order sooner than a thread could be asked to. */
const maxArrangedHere = 16_384
/** Memory for rows in another order that is kept: so many rooms, of up to so many bytes each. New memory takes long to fill. */
const maxRooms = 2
const maxRoomBytes = 16 * 1024 * 1024

export type ScoreEntities = ReturnType<typeof createEntityScoring>

/**
 * Makes what scores a block whose column behind the features numbers the entities, and gives the seconds that took the threads. The rows
 * of one entity come together in the whole block, so that its model is walked by as many as there are.
 */
export function createEntityScoring(threads: number, queue: TaskQueue<Task>) {
  const rooms = createRooms(maxRooms, maxRoomBytes)

  return async (message: ScoreMessage, { features, entities = 0 }: ScoringModel, options: CallOptions) => {
    const { values, stride, rows } = message.block
    const start = features * stride
    const { order, runs } = groupRows(values.subarray(start, start + rows), entities)
    const arranged = rooms.take(features * rows)
    const how = { block: message.block, order, into: arranged }
    if (features * rows <= maxArrangedHere) arrangeColumns(message.block, order, arranged, 0, features)
    else
      await queue.runAll(
        cutEvenly(features, threads).map(([from, to]): Task => ({ name: 'arrange', message: { ...how, from, to } })),
        options,
      )
    const block = { values: arranged, stride: rows, rows, columns: features }
    const tasks = cutRuns(runs, sliceRows).map((part): Task => {
      return { name: 'scoreEntities', message: { ...message, block, order, runs: part } }
    })
    const seconds = sumSeconds(await queue.runAll<ScoreResult>(tasks, options))
    // After a failure a thread may still write there.
    rooms.giveBack(arranged)
    return seconds
  }
}
