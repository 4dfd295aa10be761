/** What the threads are asked to do, and how a call is cut into such tasks. */
import type { Pauses, Reply, ResultOf, ScoreResult, ScoreTask, Stoppable, ThreadTasks } from '../../workers/messages.ts'
import { DeepWatchError, isErrorCode } from '../errors.ts'
import { TaskLost, type Turn } from './queue.ts'
import type { Threads } from './threads.ts'

export type Task = {
  [Name in keyof ThreadTasks]: { readonly name: Name; readonly message: Parameters<ThreadTasks[Name]>[0] }
}[keyof ThreadTasks]

/** A block to be scored, before it is cut. */
export type ScoreMessage = Omit<ScoreTask, keyof Stoppable>

/** Rows that are scored between two looks at whether others wait: short enough that nobody waits long behind them, a multiple of the kernel's tile. */
export const sliceRows = 8192
/** Time after which a thread gives other calls their turn, also those that do not ask for it: beside it a message counts little. */
export const turnMilliseconds = 20

/** Runs one turn of a task. Rejects with `TaskLost` when the thread dies, else with a `DeepWatchError`. */
export async function runTask(threads: Threads, task: Task): Promise<Turn<Task>> {
  let reply: Reply<object>
  try {
    reply = (await threads.run(task.name, task.message)) as Reply<object>
  } catch (cause) {
    throw new TaskLost('a thread died', { cause })
  }
  if (reply.ok) return { result: reply, rest: restOf(task, reply) }
  const code = isErrorCode(reply.code) ? reply.code : 'internal_error'
  throw new DeepWatchError(code, reply.detail, { cause: reply.cause })
}

/** What is left of a task whose thread stopped; null when that was at its end. */
function restOf(task: Task, reply: object): Task | null {
  if (task.name !== 'score' && task.name !== 'fit') return null
  const { to: from } = reply as ResultOf<'score' | 'fit'>
  if (from >= task.message.to) return null
  // The compiler does not see that name and message still belong together.
  return { name: task.name, message: { ...task.message, from } } as Task
}

/** Cuts 0..count-1 into at most `parts` ranges [from, to) of nearly equal length. */
export function cutEvenly(count: number, parts: number): [number, number][] {
  const length = Math.min(count, parts)
  return Array.from({ length }, (_, i) => [Math.floor((i * count) / length), Math.floor(((i + 1) * count) / length)])
}

/** Cuts a block into at most `parts` tasks of whole slices each; a single slice is scored without a pause. */
export function cutSlices(message: ScoreMessage, parts: number, pauses: Pauses): Task[] {
  const { rows } = message.block
  const slices = Math.ceil(rows / sliceRows)
  return cutEvenly(slices, parts).map(([first, end]) => {
    const [from, to] = [first * sliceRows, Math.min(rows, end * sliceRows)]
    return { name: 'score', message: { ...message, from, to, pauses: slices === 1 ? null : pauses } }
  })
}

/** The seconds that the tasks of a call took their threads, added up. */
export const sumSeconds = (results: readonly ScoreResult[]): number =>
  results.reduce((sum, { seconds }) => sum + seconds, 0)
