/** Where the lanes of a block stand behind its features. */
import type { ExtraLanes } from './reader-types.ts'

/** Index of each lane that was asked for; null for the others. */
export interface LanePlaces {
  readonly row: number | null
  readonly timestamp: number | null
  readonly label: number | null
  readonly history: number | null
  readonly entity: number | null
}

/** @param features lanes before them */
export function placesOf(features: number, { row, timestamp, label, history, entity }: ExtraLanes): LanePlaces {
  let next = features
  const place = (asked: boolean | undefined) => (asked ? next++ : null)
  return {
    row: place(row),
    timestamp: place(timestamp),
    label: place(label !== undefined),
    history: place(history),
    entity: place(entity),
  }
}
