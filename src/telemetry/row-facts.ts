/** What stands behind the features of a block, and what is told about its rows from it. */
import type { ExtraColumns, FeatureBlock } from '../reader/index.ts'

/** Index of each column that was asked for; null for the others. */
export interface ColumnPlaces {
  readonly entity: number | null
  readonly row: number | null
  readonly timestamp: number | null
  readonly label: number | null
  readonly history: number | null
}

/** @param features number of columns before them */
export function placesOf(features: number, { entity, row, timestamp, label, history }: ExtraColumns): ColumnPlaces {
  let next = features
  const place = (asked: boolean | undefined) => (asked ? next++ : null)
  return {
    entity: place(entity),
    row: place(row),
    timestamp: place(timestamp),
    label: place(label !== undefined),
    history: place(history),
  }
}

/** Valid until the next block is asked for; its functions are not to be taken out of it. */
export interface RowFacts {
  readonly rows: number
  /** Position of a row of the block in the source. */
  position(row: number): number
  /** The label column: 1, 0, or NaN for null; NaN too when it was not asked for. */
  label(row: number): number
  /** The timestamp column in epoch microseconds; NaN when unknown or not asked for. */
  time(row: number): number
  /** The columns asked for with `include`, as members of a JSON object; null when none were. */
  text(row: number): string | null
  /** The label column and the timestamp column as a whole, an entry per row; null when they were not asked for. */
  readonly labels: Float64Array | null
  readonly times: Float64Array | null
}

/** Reads what stands behind the first `features` columns of a block. */
export function rowFacts(features: number, extra: ExtraColumns, { block, first, text }: FeatureBlock): RowFacts {
  const places = placesOf(features, extra)
  const columnAt = (place: number | null) =>
    place === null ? null : block.values.subarray(block.stride * place, block.stride * place + block.rows)
  const [positions, times, labels] = [columnAt(places.row), columnAt(places.timestamp), columnAt(places.label)]
  return {
    rows: block.rows,
    position: (row) => (positions === null ? first + row : positions[row]!),
    label: (row) => labels?.[row] ?? Number.NaN,
    time: (row) => times?.[row] ?? Number.NaN,
    text: (row) => text?.[row] ?? null,
    labels,
    times,
  }
}

/** What is told about rows that are the whole source and echo nothing. */
export const plainFacts = (rows: number): RowFacts => ({
  rows,
  position: (row) => row,
  label: () => Number.NaN,
  time: () => Number.NaN,
  text: () => null,
  labels: null,
  times: null,
})
