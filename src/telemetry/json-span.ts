/** What has to be known of JSON rows before they are read: how many there are, from when to when, and of whom. */
import type { Row } from '../json/index.ts'
import { fleetBounds } from '../kernels/scores/index.ts'
import { type EntitiesQuery, type EntityRows, intervalRows, type Span, type SpanQuery } from '../reader/index.ts'
import { entityReader, positionsIn, timesOf } from './json-cells.ts'

/** As `sql/span.sql`. Errors: `type_mismatch` for a timestamp that is none. */
export function spanOf(rows: readonly Row[], { timestamp, window, interval }: SpanQuery): Span {
  const times = timestamp === undefined ? null : timesOf(rows, timestamp)
  const positions = positionsIn(times, window)
  const rowsInWindow = positions?.length ?? rows.length
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (let at = 0; times && at < rowsInWindow; at++) {
    const time = times[positions ? positions[at]! : at]!
    if (time < from) from = time
    if (time > to) to = time
  }
  const known = from <= to
  const span = { rows: rows.length, rowsInWindow, from: known ? from : null, to: known ? to : null }
  return interval && times ? { ...span, ...intervalOf(times, positions, entityReader(rows, interval.entity)) } : span
}

/** As `sql/interval.sql`. */
function intervalOf(
  times: Float64Array,
  positions: Uint32Array | null,
  entity: (position: number) => string | null,
): Required<Pick<Span, 'interval' | 'tied'>> {
  const byEntity = new Map<string | null, number[]>()
  const count = Math.min(intervalRows, positions?.length ?? times.length)
  for (let at = 0; at < count; at++) {
    const position = positions ? positions[at]! : at
    if (Number.isNaN(times[position]!)) continue
    const name = entity(position)
    const known = byEntity.get(name)
    if (known) known.push(times[position]!)
    else byEntity.set(name, [times[position]!])
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
export function entitiesOf(rows: readonly Row[], { entity, timestamp, window, max }: EntitiesQuery): EntityRows[] {
  const times = timestamp === undefined ? null : timesOf(rows, timestamp)
  const positions = positionsIn(times, window)
  const name = entityReader(rows, entity)
  const counts = new Map<string, number>()
  for (let at = 0; at < (positions?.length ?? rows.length); at++) {
    const found = name(positions ? positions[at]! : at)
    if (found === null || found === '' || Buffer.byteLength(found) > fleetBounds.nameBytes) continue
    counts.set(found, (counts.get(found) ?? 0) + 1)
  }
  return Array.from(counts, ([found, count]) => ({ name: found, rows: count })).slice(0, max)
}
