import { DeepWatchError } from '../errors.ts'
import type { Row } from './small-batch.ts'

/**
 * A row whose nested objects became columns with dotted names: `{"cpu": {"user": 1}}` is `{"cpu.user": 1}`. Lists stay what they are.
 * Throws `duplicate_column` where two values would have the same name.
 */
export function flattenRow(row: Row): Row {
  if (!Object.values(row).some(isObject)) return row
  const flat: Record<string, unknown> = {}
  const add = (prefix: string, members: Readonly<Record<string, unknown>>) => {
    for (const [key, value] of Object.entries(members)) {
      const name = `${prefix}${key}`
      if (isObject(value)) add(`${name}.`, value)
      else if (Object.hasOwn(flat, name)) throw twice(name)
      else flat[name] = value
    }
  }
  add('', row)
  return flat
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function twice(name: string): DeepWatchError {
  const detail = `flatten: ${JSON.stringify(name.slice(0, 100))} would be two columns of a row.`
  return new DeepWatchError('duplicate_column', detail, { facts: { column: name.slice(0, 200) } })
}
