import { type Database, type Relation, type RelationColumn, rowsOf, statement } from '../database/index.ts'

const WHOLE = /^U?BIGINT$/
const DECIMAL = /^DECIMAL\((\d+),(\d+)\)$/
/** Decimals of so many digits come back from their double. */
const SAFE_DIGITS = 15

/** Whether a double may not hold every value of this type up to a magnitude. */
export function mayRound(sql: string, magnitude: number): boolean {
  if (WHOLE.test(sql)) return magnitude >= Number.MAX_SAFE_INTEGER
  const [, digits, scale] = DECIMAL.exec(sql) ?? []
  if (digits === undefined) return false
  return Number(digits) > SAFE_DIGITS && magnitude * 10 ** Number(scale) >= 10 ** SAFE_DIGITS
}

/** Names of the columns that hold a number whose double is another one; reads these columns, and nothing if there are none. */
export async function roundedColumns(
  database: Database,
  { from, values }: Pick<Relation, 'from' | 'values'>,
  columns: readonly Pick<RelationColumn, 'name' | 'sql' | 'expression'>[],
): Promise<string[]> {
  if (columns.length === 0) return []
  const rounded = columns.map(({ sql }, index) => `coalesce(bool_or(${differs(`c${index}`, sql)}), false)`)
  const list = columns.map(({ expression }, index) => `${expression} as c${index}`)
  const look = statement('rounded', { rounded: rounded.join(', '), columns: list.join(', '), relation: from })
  const [row] = await rowsOf(database.connection, look, values)
  return columns.filter((_, index) => row?.[index] === true).map(({ name }) => name)
}

/** A decimal is the same one when it comes back from the shortest text of its double. */
function differs(value: string, sql: string): string {
  if (WHOLE.test(sql)) return `${value}::double::hugeint <> ${value}::hugeint`
  return `try_cast(${value}::double::varchar as ${sql}) is distinct from ${value}`
}
