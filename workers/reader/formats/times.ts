import { missingWords } from '../../../src/formats/index.ts'
import type { SourceReading } from '../../../src/reader/index.ts'
import { epochUnitFor, likelyTimes, noTime, textFormatFor } from '../../../src/telemetry/index.ts'
import {
  type EpochUnit,
  epochRange,
  epochUnitOf,
  epochUnits,
  judgeTimeTexts,
  timeReader,
} from '../../../src/time/index.ts'
import {
  type Database,
  isOneOf,
  quoteText,
  type Relation,
  type RelationColumn,
  rowsOf,
  SQL_TYPES,
  statement,
} from '../database/index.ts'

/** Rows whose values say how a column tells time. A later value that tells it otherwise is an error. */
const SAMPLE_ROWS = 20_480
const ALL_ROWS = Number.MAX_SAFE_INTEGER
/** A date in digits, without its time of day: a source has few of them. */
const DATE = String.raw`^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}`

/** What the database says when a value is refused in SQL; see `failureOf`. */
export const SEVERAL_UNITS = 'deepwatch: several units of time'
export const OUT_OF_RANGE = 'deepwatch: time out of range'

/**
 * The same relation, in which the columns with the time are times: numbers since 1970 in the unit that is given or that their size tells,
 * texts in the format that is given or that their values tell. Throws `ambiguous_timestamp`, `type_mismatch`.
 */
export async function withTimes(database: Database, relation: Relation, reading: SourceReading): Promise<Relation> {
  const likely = new Set(likelyTimes(relation.columns, reading))
  const columns: RelationColumn[] = []
  for (const column of relation.columns) {
    columns.push(likely.has(column.name) ? await readColumn({ database, relation, reading }, column) : column)
  }
  return { ...relation, columns }
}

interface TimeInput {
  readonly database: Database
  readonly relation: Relation
  readonly reading: SourceReading
}

function readColumn(input: TimeInput, column: RelationColumn): RelationColumn | Promise<RelationColumn> {
  if (column.kind === 'number') return readNumbers(input, column, column.expression)
  return column.kind === 'text' ? readTexts(input, column) : column
}

/** @param value the column's values as numbers, in SQL */
async function readNumbers(input: TimeInput, column: RelationColumn, value: string): Promise<RelationColumn> {
  const { database, relation, reading } = input
  const sql = statement('time-range', { value, relation: relation.from, rows: String(SAMPLE_ROWS) })
  const [[min, max] = []] = await rowsOf(database.connection, sql, relation.values)
  const isNamed = column.name === reading.timestamp
  // Nothing to tell it by: what comes later is compared with the commonest unit.
  if (typeof min !== 'number' || typeof max !== 'number')
    return isNamed ? epochColumn(column, value, 's', true) : column
  const unit = epochUnitFor(column.name, [min, max], reading)
  return unit === null ? column : epochColumn(column, value, unit, reading.timestampUnit === undefined)
}

/** Numbers of another size than the unit's are refused while they are read, if the unit was told by their size. */
function epochColumn(column: RelationColumn, value: string, unit: EpochUnit, bySize: boolean): RelationColumn {
  const [from, to] = epochRange(unit)
  const isWhole = /INT$|^INTEGER$/.test(column.sql)
  const scaled = unit === 's' ? `round(${value}::double * 1000000)` : `floor(${value}::double * ${epochUnits[unit]})`
  // Nanoseconds are past what a double counts exactly.
  const micros = unit === 'ns' && isWhole ? `(${value} // 1000)` : scaled
  const isKnown = bySize ? `${value} >= ${from} and ${value} < ${to}` : `abs(${micros}) < 9e18`
  const refused = `error('${bySize ? SEVERAL_UNITS : OUT_OF_RANGE}')`
  const isMissing = `${value} is null or isnan(${value}::double)`
  const expression = `case when ${isMissing} then null when ${isKnown} then make_timestamptz(${micros}::bigint) else ${refused} end`
  return timeColumn(column, expression)
}

function timeColumn({ echo, text, unfit, ...column }: RelationColumn, expression: string): RelationColumn {
  const type = SQL_TYPES.timestamp
  return { ...column, kind: 'timestamp', type, sql: type, precisionLoss: false, expression }
}

async function readTexts(input: TimeInput, column: RelationColumn): Promise<RelationColumn> {
  const { database, relation, reading } = input
  const distinct = async (value: string, rows: number): Promise<string[]> => {
    const sql = statement('time-texts', { value, relation: relation.from, rows: String(rows) })
    return (await rowsOf(database.connection, sql, relation.values)).map(([text]) => String(text))
  }
  const words = [...missingWords, ...(reading.nullValues ?? [])].map((word) => quoteText(word.toLowerCase()))
  const trimmed = `trim(${column.expression})`
  const present = `case when not ${isOneOf(`lower(${trimmed})`, words)} then ${trimmed} end`
  const texts = await distinct(present, SAMPLE_ROWS)
  const as = (format: string): RelationColumn => {
    const refuse = (text: string) => noTime(column.name, text, format)
    // The settings were checked when they came in.
    return timeColumn(column, database.times.expression(present, timeReader(format)!, refuse))
  }
  if (reading.timestampFormat !== undefined) return as(reading.timestampFormat)
  if (texts.length === 0) return column.name === reading.timestamp ? as('day-first') : column
  if (texts.every((text) => epochUnitOf(Number(text)) !== null))
    return readNumbers(input, { ...column, sql: 'DOUBLE' }, `(${present})::double`)
  const first = judgeTimeTexts(texts)
  const dates = `regexp_extract(${present}, ${quoteText(DATE)})`
  const verdict = first.kind === 'ambiguous' ? judgeTimeTexts(await distinct(dates, ALL_ROWS)) : first
  const found = textFormatFor(column.name, verdict, reading)
  if (found === null) return column
  return { ...as(found.format), ...(found.decided && { timestampFormat: found.format }) }
}
