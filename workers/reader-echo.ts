import type { RelationColumn } from './reader-relation.ts'
import { quoteText } from './reader-statements.ts'

/**
 * The SQL expression for `"name":value` of a JSON object. Integers and decimals keep all their digits, what is not a finite
 * number is null, times are RFC 3339 in UTC with a fraction only where there is one, everything exotic is a string.
 *
 * `value` is the name under which the statement sees the column.
 */
export function jsonMember(column: RelationColumn, value: string): string {
  const key = quoteText(`${JSON.stringify(column.name)}:`)
  return `${key} || coalesce(${column.echo === undefined ? jsonValue(column, value) : value}, 'null')`
}

function jsonValue({ kind, sql }: RelationColumn, value: string): string {
  if (kind === 'boolean') return `${value}::varchar`
  if (kind === 'number') {
    return sql === 'DOUBLE' || sql === 'FLOAT'
      ? `case when isfinite(${value}) then to_json(${value})::varchar end`
      : `${value}::varchar`
  }
  if (kind === 'timestamp') {
    const time = sql === 'TIMESTAMP WITH TIME ZONE' ? `(${value} at time zone 'UTC')` : `${value}::timestamp`
    // As text a timestamp is RFC 3339 but for the T; formatting it otherwise costs four times as much.
    return `case when isfinite(${value}) then '"' || replace(${time}::varchar, ' ', 'T') || 'Z"' end`
  }
  return kind === 'text' ? `to_json(${value})::varchar` : `to_json(${value}::varchar)::varchar`
}
