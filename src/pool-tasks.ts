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
} from '../workers/messages.ts'

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
export type ScoreMessage = Omit<ScoreTask, 'from' | 'to'>

/** Rows of one scoring task: short enough that nobody waits long behind one, a multiple of the kernel's tile. */
export const sliceRows = 8192

/** Cuts 0..count-1 into at most `parts` ranges [from, to) of nearly equal length. */
export function cutEvenly(count: number, parts: number): [number, number][] {
  const most = Math.min(count, parts)
  return Array.from({ length: most }, (_, i) => [Math.floor((i * count) / most), Math.floor(((i + 1) * count) / most)])
}

/** The seconds that the tasks of a call took their threads, added up. */
export const sumSeconds = (results: readonly ScoreResult[]): number =>
  results.reduce((sum, { seconds }) => sum + seconds, 0)
