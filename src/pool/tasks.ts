/** What the threads are asked to do, and how a call is cut into such tasks. */
import type {
  ArrangeTask,
  FitEntitiesTask,
  FitTask,
  InspectTask,
  JoinTask,
  PrepareForFewTask,
  RankTask,
  ScoreEntitiesTask,
  ScoreResult,
  ScoreTask,
  Stoppable,
  Stopped,
} from '../../workers/messages.ts'

export type Task =
  | { readonly name: 'inspect'; readonly message: InspectTask }
  | { readonly name: 'fit'; readonly message: FitTask }
  | { readonly name: 'fitEntities'; readonly message: FitEntitiesTask }
  | { readonly name: 'join'; readonly message: JoinTask }
  | { readonly name: 'score'; readonly message: ScoreTask }
  | { readonly name: 'prepareForFew'; readonly message: PrepareForFewTask }
  | { readonly name: 'arrange'; readonly message: ArrangeTask }
  | { readonly name: 'scoreEntities'; readonly message: ScoreEntitiesTask }
  | { readonly name: 'rank'; readonly message: RankTask }

/** A block to be scored, before it is cut. */
export type ScoreMessage = Omit<ScoreTask, keyof Stoppable>

/** Rows that are scored between two looks at whether others wait: short enough that nobody waits long behind them, a multiple of the kernel's tile. */
export const sliceRows = 8192
/** Time after which a thread gives other calls their turn, also those that do not ask for it: beside it a message counts little. */
export const turnMilliseconds = 20

/** What is left of a task whose thread stopped; null when that was at its end. */
export function restOf(task: Task, reply: object): Task | null {
  if (task.name !== 'score' && task.name !== 'fit') return null
  const { to: from } = reply as Stopped
  if (from >= task.message.to) return null
  // The compiler does not see that name and message still belong together.
  return { name: task.name, message: { ...task.message, from } } as Task
}

/** Cuts 0..count-1 into at most `parts` ranges [from, to) of nearly equal length. */
export function cutEvenly(count: number, parts: number): [number, number][] {
  const most = Math.min(count, parts)
  return Array.from({ length: most }, (_, i) => [Math.floor((i * count) / most), Math.floor(((i + 1) * count) / most)])
}

/** The seconds that the tasks of a call took their threads, added up. */
export const sumSeconds = (results: readonly ScoreResult[]): number =>
  results.reduce((sum, { seconds }) => sum + seconds, 0)
