/** What follows from the trailing rows of each entity, for rows held in memory. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Row } from '../json/index.ts'
import { rowHistory } from '../kernels/history/index.ts'
import type { FeatureQuery } from '../reader/index.ts'
import { createHistories, type HistoryKeeper } from './histories.ts'
import { entityReader, numberReader } from './json-cells.ts'
import type { Gathered } from './json-columns.ts'

/** What was derived, by position. */
export interface Derived {
  readonly lanes: readonly Float64Array[]
  /** See `rowHistory`. */
  readonly states: Float64Array
  /** Positions of the rows that are handed out; null for all of them. */
  readonly positions: Uint32Array | null
}

/** Figures after which others have a turn on the event loop: a few milliseconds. */
const figuresAtOnce = 16_384

/** Takes the rows into the histories of their entities; nobody else's rows come in between. */
export async function derive(
  rows: readonly Row[],
  columns: ReadonlyMap<string, Gathered>,
  { history }: { readonly history: NonNullable<FeatureQuery['history']> },
  times: Float64Array,
  inWindow: Uint32Array | null,
  live: HistoryKeeper | null,
): Promise<Derived> {
  const { derivations, mostBytes } = history
  const keeper = live ?? createHistories({ columns: history.columns.length, derivations }, mostBytes)
  const entity = entityReader(rows, history.entity ?? null)
  const bases = history.columns.map(({ name }) => columns.get(name)?.values ?? numberReader(rows, name))
  const lanes = derivations.map(() => new Float64Array(rows.length))
  const states = new Float64Array(rows.length)
  const base = new Float64Array(bases.length)
  const figures = new Float64Array(derivations.length)
  const positions = history.completeOnly ? new Uint32Array(rows.length) : null
  const count = inWindow?.length ?? rows.length
  const rowsAtOnce = Math.ceil(figuresAtOnce / derivations.length)
  let kept = 0
  const turn = keeper.turn?.()
  try {
    await turn?.come
    for (let at = 0; at < count; at++) {
      if (at % rowsAtOnce === rowsAtOnce - 1) await nextTurn()
      const position = inWindow ? inWindow[at]! : at
      for (let column = 0; column < bases.length; column++) {
        const read = bases[column]!
        base[column] = typeof read === 'function' ? read(position) : read[position]!
      }
      const state = keeper.take(entity(position), times[position]!, base, figures)
      states[position] = state
      for (let index = 0; index < lanes.length; index++) lanes[index]![position] = figures[index]!
      if (positions && state === rowHistory.complete) positions[kept++] = position
    }
  } finally {
    turn?.leave()
  }
  return { lanes, states, positions: positions ? positions.subarray(0, kept) : inWindow }
}
