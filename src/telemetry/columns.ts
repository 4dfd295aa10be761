/** Where the columns of a block lie that were asked for beside its features. */
import type { ExtraColumns } from '../reader/index.ts'

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
