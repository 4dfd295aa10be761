/** What is told about the rows of a block beside their features. */
import type { ExtraColumns, FeatureBlock } from '../reader/index.ts'
import { placesOf } from './columns.ts'

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
export function rowFacts(features: number, lanes: ExtraColumns, { block, first, text }: FeatureBlock): RowFacts {
  const places = placesOf(features, lanes)
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
export class PlainFacts implements RowFacts {
  readonly rows: number
  readonly labels = null
  readonly times = null

  constructor(rows: number) {
    this.rows = rows
  }

  position(row: number): number {
    return row
  }

  label(): number {
    return Number.NaN
  }

  time(): number {
    return Number.NaN
  }

  text(): string | null {
    return null
  }
}
