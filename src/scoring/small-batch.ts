/**
 * A few rows held in memory, made into the block of a version in one walk. Most live requests are like that: every key is a
 * feature, or a role that scoring passes over, and every value what it has to be. Whatever is not goes the
 * long way (`readRows`, `planScoring`), which knows every kind of column and says what is wrong; both give the same block to the bit.
 */
import { type Row, type Rows, RowTable } from '../json/index.ts'
import type { Block } from '../kernels/index.ts'
import type { Roles } from '../schemas/index.ts'
import { parseTimestamp } from '../time/index.ts'
import type { VersionPlan } from './version-plan.ts'

/** More rows are walked column by column. */
const mostRows = 512

type FewRowsPlan = Pick<VersionPlan, 'laneOf' | 'lanes' | 'timeContext' | 'rowKeys'>

/** Where a key's value goes: the lane of a feature, or one of these. */
const isTime = -1
const isPassedOver = -2
const isUnknown = -3

/**
 * The features of `rows` in the model's order; null when something about them has to be looked at more closely. The
 * block lies in memory of its own.
 * @param roles of the model; the request names no others
 */
export function blockOfFewRows(rows: Rows, plan: FewRowsPlan, roles: Roles): Block<ArrayBuffer> | null {
  if (rows.length === 0 || rows.length > mostRows) return null
  return rows instanceof RowTable ? blockOfTable(rows, plan, roles) : blockOfObjects(rows, plan, roles)
}

function blockOfObjects(
  rows: readonly Row[],
  { lanes, laneOf, timeContext, rowKeys: { keys, places } }: FewRowsPlan,
  roles: Roles,
): Block<ArrayBuffer> | null {
  const count = rows.length
  const values = new Float64Array(lanes.length * count).fill(Number.NaN)
  /** Whether one row has every column; if not, the columns that are in some row. */
  let hasAll = false
  let seen: boolean[] | undefined
  let hasTime = false
  for (let row = 0; row < count; row++) {
    const cells = rows[row]!
    let time = Number.NaN
    let known = 0
    let index = 0
    for (const key in cells) {
      // Rows are mostly alike: the key at a place is mostly that of the row before, and goes where that went.
      if (keys[index] !== key) {
        const found = laneOf.get(key) ?? roleOf(key, roles)
        if (found === isUnknown) return null
        keys[index] = key
        places[index] = found
      }
      const place = places[index++]!
      const value = cells[key]
      if (place >= 0) {
        if (typeof value === 'number') values[place * count + row] = value
        else if (typeof value === 'boolean') values[place * count + row] = Number(value)
        else if (value !== null) return null
        known++
      } else if (place === isTime) {
        if (value !== null) {
          const parsed = typeof value === 'string' ? parseTimestamp(value) : null
          if (parsed === null) return null
          time = parsed
        }
        hasTime = true
      }
    }
    if (known === laneOf.size) hasAll = true
    else if (!hasAll) {
      seen ??= []
      for (const place of places.slice(0, index)) if (place >= 0) seen[place] = true
    }
    if (timeContext === null) continue
    for (let lane = 0; lane < lanes.length; lane++) {
      const feature = lanes[lane]!
      if ('timeContext' in feature) values[lane * count + row] = timeContext.value(feature.timeContext, time)
    }
  }
  // A feature that no row has is missing from the source, which is refused.
  for (let lane = 0; lane < lanes.length; lane++)
    if (!('timeContext' in lanes[lane]! ? hasTime : hasAll || seen?.[lane])) return null
  return { values, stride: count, rows: count, columns: lanes.length }
}

/** The same for rows that are a table: column by column. */
function blockOfTable(
  { names, length: count, numbers, texts }: RowTable,
  { lanes, laneOf, timeContext }: FewRowsPlan,
  roles: Roles,
): Block<ArrayBuffer> | null {
  const values = new Float64Array(lanes.length * count)
  const times = new Float64Array(count).fill(Number.NaN)
  let known = 0
  let hasTime = false
  for (let column = 0; column < names.length; column++) {
    const name = names[column]!
    const text = texts[column]
    const place = laneOf.get(name) ?? roleOf(name, roles)
    if (place >= 0) {
      if (text) return null
      for (let row = 0; row < count; row++) values[place * count + row] = numbers[row * names.length + column]!
      known++
    } else if (place === isTime) {
      for (let row = 0; row < count; row++) {
        const written = text?.[row]
        if (text ? written === null : Number.isNaN(numbers[row * names.length + column])) continue
        const parsed = written ? parseTimestamp(written) : null
        if (parsed === null) return null
        times[row] = parsed
      }
      hasTime = true
    } else if (place === isUnknown) return null
  }
  if (known < laneOf.size) return null
  for (let lane = 0; lane < lanes.length; lane++) {
    const feature = lanes[lane]!
    if (!('timeContext' in feature)) continue
    if (!hasTime || timeContext === null) return null
    for (let row = 0; row < count; row++)
      values[lane * count + row] = timeContext.value(feature.timeContext, times[row]!)
  }
  return { values, stride: count, rows: count, columns: lanes.length }
}

function roleOf(key: string, { timestamp, entity, label }: Roles): number {
  // Without a named timestamp any column may be one.
  if (timestamp === null) return isUnknown
  if (key === timestamp) return isTime
  return key === entity || key === label ? isPassedOver : isUnknown
}
