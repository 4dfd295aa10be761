import { type Chunk, isValid, type RelationColumn, type TextBuffer } from '../database/index.ts'

/**
 * The columns a row is echoed with: `"name":value` of a JSON object. Integers and decimals keep all their digits, what is
 * not a finite number is null, times are RFC 3339 in UTC with a fraction only where there is one, everything exotic is a string.
 *
 * The database hands out plain values and the text is made here: a text of more than twelve bytes costs a call into the
 * database, and formatting there is slower still.
 */
export interface Echo {
  /** What the statement selects, given the name under which it sees the column. */
  readonly expression: (value: string) => string
  /** A constant of the same type. */
  readonly padding: string
  /** Puts a value that is not null; `column` is the result column. */
  readonly writer: (chunk: Chunk, column: number) => (row: number, text: TextBuffer) => void
}

/** How a column is echoed. */
export function echoOf({ kind, sql, echo }: RelationColumn): Echo {
  const asIs = (value: string) => value
  const cast = (value: string) => `${value}::varchar`
  if (echo !== undefined) return texts(true, asIs)
  if (kind === 'timestamp') return time
  if (kind === 'number' && (sql === 'DOUBLE' || sql === 'FLOAT')) return double
  return texts(kind === 'boolean' || kind === 'number', kind === 'text' ? asIs : cast)
}

/** Writes the echoed columns of one chunk. */
export function echoChunk(chunk: Chunk, columns: readonly EchoedColumn[]): (row: number, text: TextBuffer) => void {
  const writers = columns.map(({ result, echo }) => echo.writer(chunk, result))
  const validity = columns.map(({ result }) => chunk.validity(result))
  return (row, text) => {
    for (let index = 0; index < columns.length; index++) {
      text.put((columns[index] as EchoedColumn).key)
      if (isValid(validity[index] ?? null, row)) writers[index]?.(row, text)
      else text.put(NULL)
    }
    text.endLine()
  }
}

/** A column of the statement's result that is echoed. */
export interface EchoedColumn {
  readonly result: number
  readonly echo: Echo
  /** `"name":` with a comma before it where it is not the first. */
  readonly key: Uint8Array
}

const NULL = Buffer.from('null')
const MICROS = 1_000_000n
const DAY_SECONDS = 86_400

/** Text that is JSON already, or that is to be quoted. */
function texts(isJson: boolean, expression: Echo['expression']): Echo {
  return {
    expression,
    padding: `''`,
    writer: (chunk, column) => {
      const cursor = chunk.texts(column)
      return (row, out) => {
        cursor.at(row)
        if (isJson) out.put(cursor.bytes, cursor.start, cursor.end)
        else out.putString(cursor.bytes, cursor.start, cursor.end)
      }
    },
  }
}

const double: Echo = {
  expression: (value) => `${value}::double`,
  padding: '0::double',
  writer: (chunk, column) => {
    const values = chunk.doubles(column)
    return (row, out) => {
      const value = values[row] as number
      if (Number.isFinite(value)) out.putAscii(String(value))
      else out.put(NULL)
    }
  },
}

/** `epoch_us` of an infinite time is null. */
const time: Echo = {
  expression: (value) => `epoch_us(${value})`,
  padding: '0::bigint',
  writer: (chunk, column) => {
    const values = chunk.bigints(column)
    return (row, out) => writeTime(values[row] as bigint, out)
  },
}

/** The day of the last time written and its text, `"2025-01-01T`: times of neighbouring rows mostly share it. */
let lastDay = Number.NaN
let lastDate: Uint8Array = new Uint8Array(0)
/** `12:34:56`, and room for the rest of a time without a fraction. */
const clock = Buffer.from('00:00:00Z"')
const CLOCK_BYTES = 8

function writeTime(time: bigint, out: TextBuffer): void {
  const { second, fraction } = splitTime(time)
  const day = Math.floor(second / DAY_SECONDS)
  if (day !== lastDay) {
    const date = new Date(day * DAY_SECONDS * 1000)
    if (Number.isNaN(date.getTime())) {
      out.put(NULL)
      return
    }
    lastDay = day
    lastDate = Buffer.from(`"${date.toISOString().split('T')[0]}T`)
  }
  const rest = second - day * DAY_SECONDS
  putTwo(0, Math.floor(rest / 3600))
  putTwo(3, Math.floor(rest / 60) % 60)
  putTwo(6, rest % 60)
  out.put(lastDate)
  if (fraction === 0) out.put(clock)
  else {
    out.put(clock, 0, CLOCK_BYTES)
    out.putAscii(`.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z"`)
  }
}

/** Whole seconds since 1970, rounded down, and the microseconds above them. */
function splitTime(time: bigint): { second: number; fraction: number } {
  const micros = Number(time)
  if (Number.isSafeInteger(micros)) {
    const second = Math.floor(micros / 1e6)
    return { second, fraction: micros - second * 1e6 }
  }
  const fraction = Number(((time % MICROS) + MICROS) % MICROS)
  return { second: Number((time - BigInt(fraction)) / MICROS), fraction }
}

function putTwo(at: number, number: number): void {
  clock[at] = 48 + Math.floor(number / 10)
  clock[at + 1] = 48 + (number % 10)
}
