/** What follows from the trailing rows of each entity, for rows held in memory. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { rowHistory } from '../kernels/history/index.ts'
import type { FeatureQuery } from '../reader/index.ts'
import { createHistories, type HistoryKeeper } from './histories.ts'
import { entityReader, numberReader } from './json-cells.ts'
import type { JsonTable } from './json-table.ts'

/** What was derived, by position. */
export interface Derived {
  readonly columns: readonly Float64Array[]
  /** See `rowHistory`. */
  readonly states: Float64Array
  /** Positions of the rows that are handed out. */
  readonly positions: Uint32Array
}

/** Figures after which others have a turn on the event loop: a few milliseconds. */
const figuresAtOnce = 16_384

/**
 * Takes the rows into the histories of their entities; nobody else's rows come in between.
 * @param times epoch microseconds of all rows
 * @param inWindow positions of the rows that are taken
 * @param live histories that go on from earlier rows
 */
export async function derive(
  { rows, nulls }: JsonTable,
  history: NonNullable<FeatureQuery['history']>,
  times: Float64Array,
  inWindow: Uint32Array,
  live: HistoryKeeper | null,
): Promise<Derived> {
  const { derivations, maxBytes } = history
  const keeper = live ?? createHistories({ columns: history.columns.length, derivations }, maxBytes)
  const entity = entityReader(rows, history.entity ?? null)
  const bases = history.columns.map(({ name }) => numberReader(rows, name, nulls))
  const columns = derivations.map(() => new Float64Array(rows.length))
  const states = new Float64Array(rows.length)
  const base = new Float64Array(bases.length)
  const figures = new Float64Array(derivations.length)
  const take = (position: number) => {
    for (const [index, read] of bases.entries()) base[index] = read(position)
    states[position] = keeper.take(entity(position), times[position]!, base, figures)
    for (const [index, column] of columns.entries()) column[position] = figures[index]!
  }
  const rowsAtOnce = Math.ceil(figuresAtOnce / derivations.length)
  const turn = keeper.turn?.()
  try {
    await turn?.come
    for (const [at, position] of inWindow.entries()) {
      if (at % rowsAtOnce === rowsAtOnce - 1) await nextTurn()
      take(position)
    }
  } finally {
    turn?.leave()
  }
  const isComplete = (position: number) => states[position] === rowHistory.complete
  return { columns, states, positions: history.completeOnly ? inWindow.filter(isComplete) : inWindow }
}
