import { rowHistory } from '../../../src/kernels/history/index.ts'
import type { HistoryQuery } from '../../../src/reader/index.ts'
import { createHistories } from '../../../src/telemetry/index.ts'
import { type Chunk, isValid } from '../database/index.ts'
import type { BlockWriter } from './blocks.ts'
import type { FeaturePlan } from './plan.ts'

export type HistoryFiller = ReturnType<typeof historyFiller>

/**
 * Fills the columns that are derived from the trailing rows of each entity: gives per chunk a function that adds them to rows that
 * stand in the block already, and that tells how many of them stay there. With `completeOnly` those that lack history are
 * overwritten by the ones behind them.
 */
export function historyFiller(plan: FeaturePlan, { columns, derivations, maxBytes, completeOnly }: HistoryQuery) {
  const { base, entity } = plan.history as NonNullable<FeaturePlan['history']>
  const keeper = createHistories({ columns: columns.length, derivations }, maxBytes)
  // Base values and figures of the row at hand.
  const values = new Float64Array(columns.length)
  const figures = new Float64Array(derivations.length)
  /** Per column the index of what is derived there; null for other columns. */
  const derived = plan.columns.map((column) => ('derived' in column ? column.derived : null))
  const stateColumn = plan.columns.findIndex((column) => 'history' in column)

  /** Writes the figures and the state of a new row to its place among those that stay. */
  function put(block: BlockWriter, row: number, place: number, state: number): void {
    const { stride, rows: start } = block
    const to = start + place
    for (let column = 0; column < derived.length; column++) {
      const figure = derived[column] as number | null
      if (figure !== null) block.values[column * stride + to] = figures[figure] as number
      else if (place !== row) block.values[column * stride + to] = block.values[column * stride + start + row] as number
    }
    if (stateColumn !== -1) block.values[stateColumn * stride + to] = state
  }

  return (chunk: Chunk, times: Float64Array) => {
    const bases = base.map((result) => chunk.doubles(result))
    const entityOf = entity === null ? () => null : entityReader(chunk, entity)
    return (from: number, rows: number, block: BlockWriter): number => {
      let kept = 0
      for (let row = 0; row < rows; row++) {
        const at = from + row
        for (const [index, column] of bases.entries()) values[index] = column[at] as number
        const state = keeper.take(entityOf(at), times[at] as number, values, figures)
        if (completeOnly === true && state !== rowHistory.complete) continue
        put(block, row, kept++, state)
      }
      return kept
    }
  }
}

/** The text of a row's entity, one character per byte; null where it has none. */
export function entityReader(chunk: Chunk, result: number): (row: number) => string | null {
  const validity = chunk.validity(result)
  const texts = chunk.texts(result)
  return (row) => {
    if (!isValid(validity, row)) return null
    texts.at(row)
    const { bytes, start, end } = texts
    // One character per byte: enough to tell texts apart, and quick.
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  }
}
