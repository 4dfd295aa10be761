/** What has to be known of JSON rows before they are read: how many there are, from when to when, and of whom. */
import { fleetBounds } from '../kernels/scores/index.ts'
import {
  type EntitiesQuery,
  type EntityRows,
  type GrowingQuery,
  growingRows,
  intervalRows,
  onlyGrows,
  type Span,
  type SpanQuery,
} from '../reader/index.ts'
import { entityReader, numberReader, positionsIn } from './json-cells.ts'
import type { JsonTable } from './json-table.ts'

/** As `sql/span.sql`. Errors: `type_mismatch` for a timestamp that is none. */
export function spanOf(table: JsonTable, { timestamp, window, interval }: SpanQuery): Span {
  const { rows } = table
  const times = table.times(timestamp)
  const positions = positionsIn(rows, times, window)
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const position of positions) {
    const time = times?.[position] ?? Number.NaN
    if (time < from) from = time
    if (time > to) to = time
  }
  const known = from <= to
  const span = { rows: rows.length, rowsInWindow: positions.length, from: known ? from : null, to: known ? to : null }
  return interval && times ? { ...span, ...intervalOf(times, positions, entityReader(rows, interval.entity)) } : span
}

/** As `sql/interval.sql`. */
function intervalOf(
  times: Float64Array,
  positions: Uint32Array,
  entity: (position: number) => string | null,
): Required<Pick<Span, 'interval' | 'tied'>> {
  const byEntity = new Map<string | null, number[]>()
  for (const position of positions.subarray(0, intervalRows)) {
    if (Number.isNaN(times[position]!)) continue
    const name = entity(position)
    const known = byEntity.get(name) ?? []
    known.push(times[position]!)
    byEntity.set(name, known)
  }
  const steps: number[] = []
  let tied = 0
  for (const known of byEntity.values()) {
    known.sort((a, b) => a - b)
    for (let at = 1; at < known.length; at++) {
      if (known[at]! > known[at - 1]!) steps.push(known[at]! - known[at - 1]!)
      else tied++
    }
  }
  steps.sort((a, b) => a - b)
  const all = steps.length + tied
  return { interval: steps[Math.ceil(steps.length / 2) - 1] ?? null, tied: all > 0 ? tied / all : null }
}

/** As `sql/entities.sql`. */
export function entitiesOf(table: JsonTable, { entity, timestamp, window, max }: EntitiesQuery): EntityRows[] {
  const { rows } = table
  const times = table.times(timestamp)
  const name = entityReader(rows, entity)
  const counts = new Map<string, number>()
  for (const position of positionsIn(rows, times, window)) {
    const found = name(position)
    if (found === null || found === '' || Buffer.byteLength(found) > fleetBounds.nameBytes) continue
    counts.set(found, (counts.get(found) ?? 0) + 1)
  }
  return Array.from(counts, ([found, count]) => ({ name: found, rows: count })).slice(0, max)
}

/** As `sql/growing.sql`. */
export function growingOf(table: JsonTable, { columns, entity, timestamp, window }: GrowingQuery): string[] {
  const { rows, nulls } = table
  const times = table.times(timestamp)
  const name = entityReader(rows, entity)
  const positions = positionsIn(rows, times, window).slice(0, growingRows)
  if (times) positions.sort((a, b) => times[a]! - times[b]! || a - b)
  return columns.filter((column) => {
    const read = numberReader(rows, column, nulls)
    const last = new Map<string | null, number>()
    let [ups, downs] = [0, 0]
    for (const position of positions) {
      const value = read(position)
      const step = value - (last.get(name(position)) ?? Number.NaN)
      last.set(name(position), value)
      if (step > 0) ups++
      if (step < 0) downs++
    }
    return onlyGrows(ups, downs)
  })
}
