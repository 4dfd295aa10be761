import { rowHistory } from '../../../src/kernels/history/index.ts'
import type { HistoryQuery } from '../../../src/reader/index.ts'
import { createHistories, type HistoryKeeper } from '../../../src/telemetry/index.ts'
import { type Chunk, isValid } from '../database/index.ts'
import type { BlockWriter } from './blocks.ts'
import type { FeaturePlan } from './plan.ts'

/** Fills the columns that are derived from the trailing rows of each entity. */
export class HistoryColumns {
  private readonly plan: FeaturePlan
  private readonly keeper: HistoryKeeper
  private readonly completeOnly: boolean
  /** Base values and figures of the row at hand. */
  private readonly values: Float64Array
  private readonly figures: Float64Array
  /** Per column the index of what is derived there; null for other columns. */
  private readonly derived: readonly (number | null)[]
  private readonly stateColumn: number

  constructor(plan: FeaturePlan, { columns, derivations, maxBytes, completeOnly }: HistoryQuery) {
    this.plan = plan
    this.keeper = createHistories({ columns: columns.length, derivations }, maxBytes)
    this.completeOnly = completeOnly === true
    this.values = new Float64Array(columns.length)
    this.figures = new Float64Array(derivations.length)
    this.derived = plan.columns.map((column) => ('derived' in column ? column.derived : null))
    this.stateColumn = plan.columns.findIndex((column) => 'history' in column)
  }

  /**
   * A function that adds the derived columns to rows that stand in the block already, and gives how many of them stay there: with
   * `completeOnly` those that lack history are overwritten by the ones behind them.
   */
  open(chunk: Chunk, times: Float64Array): (from: number, rows: number, writer: BlockWriter) => number {
    const { base, entity } = this.plan.history as NonNullable<FeaturePlan['history']>
    const bases = base.map((result) => chunk.doubles(result))
    const entityOf = entity === null ? () => null : entityReader(chunk, entity)
    return (from, rows, writer) => {
      let kept = 0
      for (let row = 0; row < rows; row++) {
        const at = from + row
        for (const [index, values] of bases.entries()) this.values[index] = values[at] as number
        const state = this.keeper.take(entityOf(at), times[at] as number, this.values, this.figures)
        if (this.completeOnly && state !== rowHistory.complete) continue
        this.place(writer, row, kept++, state)
      }
      return kept
    }
  }

  /** Writes the figures and the state of a new row to its place among those that stay. */
  private place({ values, stride, rows: start }: BlockWriter, row: number, place: number, state: number): void {
    const { derived, stateColumn } = this
    const to = start + place
    for (let column = 0; column < derived.length; column++) {
      const figure = derived[column] as number | null
      if (figure !== null) values[column * stride + to] = this.figures[figure] as number
      else if (place !== row) values[column * stride + to] = values[column * stride + start + row] as number
    }
    if (stateColumn !== -1) values[stateColumn * stride + to] = state
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
