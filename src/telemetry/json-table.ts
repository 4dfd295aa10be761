/** JSON rows with what is known of their columns, worked out once. */
import type { Row } from '../json/index.ts'
import type { Column, Description, SourceReading } from '../reader/index.ts'
import { NullValues, type TimeColumn, timeColumn, timesOf } from './json-cells.ts'
import { countColumns, describeColumn } from './json-columns.ts'
import { likelyTimes } from './times.ts'

export class JsonTable {
  readonly rows: readonly Row[]
  readonly nulls: NullValues
  readonly #reading: SourceReading
  readonly #columnLimit: number
  readonly #times = new Map<string, TimeColumn>()
  #description: Description | undefined

  /** @param columnLimit distinct keys that the rows may have: every one is looked at, however few rows have it */
  constructor(rows: readonly Row[], reading: SourceReading, columnLimit: number) {
    this.rows = rows
    this.nulls = new NullValues(reading)
    this.#reading = reading
    this.#columnLimit = columnLimit
  }

  /** Errors: `too_many_columns`, and those of `timeColumn`. */
  describe(): Description {
    this.#description ??= this.#describe()
    return this.#description
  }

  #describe(): Description {
    const counted = countColumns(this.rows, this.#columnLimit, this.nulls.words).map((counts) => describeColumn(counts))
    const likely = new Set(likelyTimes(counted, this.#reading))
    const columns = counted.map((column) => (likely.has(column.name) ? this.#timed(column) : column))
    return { columns, rows: this.rows.length }
  }

  /** The column as a time, if it tells one. */
  #timed(column: Column): Column {
    const isOpen = column.kind === 'number' || column.kind === 'text' || this.#reading.timestampFormat !== undefined
    const time = isOpen ? timeColumn(this.rows, column.name, this.nulls, this.#reading) : null
    if (time === null) return column
    this.#times.set(column.name, time)
    const { timestampFormat } = time
    return { ...column, kind: 'timestamp', type: 'timestamp', ...(timestampFormat && { timestampFormat }) }
  }

  /** Epoch microseconds of each row by this column; null without one. Errors: those of `timesOf`. */
  times(name: string | undefined): Float64Array | null {
    if (name === undefined) return null
    this.describe()
    return timesOf(this.rows, name, this.nulls, this.#times.get(name))
  }

  /** A value as it is echoed: a time of the column that tells it, and any RFC 3339 time, in epoch microseconds; else null. */
  timeOf(name: string, value: unknown): number | null {
    const time = this.#times.get(name)
    return time === undefined || this.nulls.isMissing(value) ? null : time.read(value)
  }
}
