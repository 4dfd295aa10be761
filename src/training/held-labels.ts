/** Labels, times and entities of the rows of a training, held while they are few: its flags are judged without reading it again. */
import type { FeatureBlock } from '../reader/index.ts'
import type { HeldRows } from '../scoring/index.ts'
import type { LanePlaces } from '../telemetry/index.ts'

/** Rows held: 13 bytes each. As many as a report ranks. */
const mostHeld = 2_000_000

export interface HeldLabels {
  /** Takes the rows of a block with a label lane, in source order. */
  add(piece: FeatureBlock, places: LanePlaces): void
  /** The rows taken; null when they were too many, or none. */
  rows(): Iterable<HeldRows> | null
}

interface Stretch {
  readonly labels: Uint8Array
  readonly times: Float64Array | null
  readonly entities: Uint32Array | null
}

const unlabelled = 2

export function holdLabels(): HeldLabels {
  let stretches: Stretch[] = []
  let held = 0
  const names: string[] = []
  const nameOf = (entity: number) => (names[entity] ??= String(entity))

  return {
    add({ block }, places) {
      if (places.label === null || held > mostHeld) return
      held += block.rows
      if (held > mostHeld) {
        stretches = []
        return
      }
      const lane = (place: number) => block.values.subarray(place * block.stride, place * block.stride + block.rows)
      stretches.push({
        labels: packed(lane(places.label)),
        times: places.timestamp === null ? null : lane(places.timestamp).slice(),
        entities: places.entity === null ? null : new Uint32Array(lane(places.entity)),
      })
    },
    rows() {
      return stretches.length === 0 ? null : each()
    },
  }

  function* each(): Generator<HeldRows> {
    for (const stretch of stretches) yield shown(stretch)
  }

  function shown({ labels, times, entities }: Stretch): HeldRows {
    return {
      rows: labels.length,
      labels: unpacked(labels),
      times,
      text: (row) => (entities === null ? null : nameOf(entities[row]!)),
    }
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
