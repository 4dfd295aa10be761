/** Labels, times and entities of the training rows, up to a bound: flags are judged without reading the source again. */
import type { FeatureBlock } from '../reader/index.ts'
import type { HeldRows } from '../scoring/index.ts'
import type { ColumnPlaces } from '../telemetry/index.ts'

/** 13 bytes each. As many as a report ranks. */
const maxHeldRows = 2_000_000

export interface HeldLabels {
  /** Takes the rows of a block that has a label column, in source order. */
  add(piece: FeatureBlock, places: ColumnPlaces): void
  /** The rows taken; null when they were too many, or none. */
  rows(): Iterable<HeldRows> | null
}

interface HeldBlock {
  readonly labels: Uint8Array
  readonly times: Float64Array | null
  readonly entities: Uint32Array | null
}

const unlabelled = 2

export function holdLabels(): HeldLabels {
  let blocks: HeldBlock[] = []
  let held = 0

  return {
    add({ block }, { label, timestamp, entity }) {
      if (label === null || held > maxHeldRows) return
      held += block.rows
      if (held > maxHeldRows) {
        blocks = []
        return
      }
      const column = (place: number) => block.values.subarray(place * block.stride, place * block.stride + block.rows)
      blocks.push({
        labels: packed(column(label)),
        times: timestamp === null ? null : column(timestamp).slice(),
        entities: entity === null ? null : new Uint32Array(column(entity)),
      })
    },
    rows: () => (blocks.length === 0 ? null : shown(blocks)),
  }
}

function* shown(blocks: readonly HeldBlock[]): Generator<HeldRows> {
  const names: string[] = []
  const nameOf = (entity: number) => (names[entity] ??= String(entity))
  for (const { labels, times, entities } of blocks) {
    const text = (row: number) => (entities === null ? null : nameOf(entities[row]!))
    yield { rows: labels.length, labels: unpacked(labels), times, text }
  }
}

// Loops, because `from` with a function takes fifty times as long.

function packed(labels: Float64Array): Uint8Array {
  const bytes = new Uint8Array(labels.length)
  for (let row = 0; row < labels.length; row++) bytes[row] = Number.isNaN(labels[row]!) ? unlabelled : labels[row]!
  return bytes
}

function unpacked(bytes: Uint8Array): Float64Array {
  const labels = new Float64Array(bytes.length)
  for (let row = 0; row < bytes.length; row++) labels[row] = bytes[row] === unlabelled ? Number.NaN : bytes[row]!
  return labels
}
