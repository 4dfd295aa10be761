/** Labels, times and entities of the training rows, up to a bound: flags are judged without reading the source again. */
import type { FeatureBlock } from '../reader/index.ts'
import type { HeldRows } from '../scoring/index.ts'
import type { ColumnPlaces } from '../telemetry/index.ts'

/** 24 bytes each at most. As many as a report ranks. */
const maxHeldRows = 2_000_000

export function holdLabels() {
  let blocks: HeldRows[] = []
  let held = 0
  return {
    /** Takes the rows of a block that has a label column, in source order. */
    add({ block }: FeatureBlock, { label, timestamp, entity }: ColumnPlaces): void {
      if (label === null || held > maxHeldRows) return
      const { rows, stride, values } = block
      held += rows
      if (held > maxHeldRows) {
        blocks = []
        return
      }
      const copyOf = (place: number | null) =>
        place === null ? null : values.slice(place * stride, place * stride + rows)
      const entities = copyOf(entity)
      blocks.push({
        rows,
        labels: copyOf(label)!,
        times: copyOf(timestamp),
        text: (row) => entities && String(entities[row]),
      })
    },
    /** The rows taken; null when they were too many, or none. */
    rows: (): readonly HeldRows[] | null => (blocks.length === 0 ? null : blocks),
  }
}
