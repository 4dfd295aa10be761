/** The histories of all entities of one source, from its first row to its last: nothing from before, nothing kept after. */
import { DeepWatchError } from '../errors.ts'
import { History, type HistoryPlan, maxHistoryRows } from '../kernels/history/index.ts'

/** Takes the rows of entities in the order in which they come. */
export interface HistoryKeeper {
  /** As `History.take`, for the history of an entity; null is the entity of rows that name none. */
  take(entity: string | null, time: number, base: ArrayLike<number>, out: Float64Array): number
  /** Where others take rows, too: see `Windows.turn`. */
  turn?(): Turn
}

/** A place in a line: `come` fulfils when everybody before has left. Whoever took it must `leave`. */
export interface Turn {
  readonly come: Promise<void>
  leave(): void
}

/** Characters of a name and its place in a table, roughly. */
export const entityBytes = (entity: string | null) => 100 + 2 * (entity?.length ?? 0)

/** Histories that begin empty and may take `maxBytes` together. `take` throws `history_too_large`. */
export function createHistories(plan: HistoryPlan, maxBytes: number): HistoryKeeper {
  const known = new Map<string | null, History>()
  let bytes = 0
  return {
    take(entity, time, base, out) {
      let history = known.get(entity)
      if (history === undefined) {
        history = new History(plan)
        known.set(entity, history)
        bytes += history.bytes + entityBytes(entity)
      }
      const before = history.bytes
      const state = history.take(time, base, out)
      bytes += history.bytes - before
      if (bytes > maxBytes || history.rows > maxHistoryRows) throw tooLarge(known.size, maxBytes)
      return state
    },
  }
}

function tooLarge(entities: number, limit: number): DeepWatchError {
  const detail = `The windows of ${entities} entities take more than ${Math.floor(limit / 2 ** 20)} MiB; shorter windows or fewer entities need less.`
  return new DeepWatchError('history_too_large', detail, { facts: { entities, limit } })
}
