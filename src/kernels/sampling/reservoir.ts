import { type Block, shareBytes } from '../index.ts'
import { createRandom } from './random.ts'

/** One sample: column f of slot i is `values[f * size + i]`, slots 0..filled-1 hold rows. */
export interface Sample {
  readonly values: Float64Array
  readonly size: number
  readonly columns: number
  readonly filled: number
}

/**
 * `count` samples of up to `size` rows each, column-major over shared memory: column f of slot i of
 * sample k is `values[(k * columns + f) * size + i]`. The first `filled` slots of each sample hold rows.
 */
export interface SampleSet extends Sample {
  readonly values: Float64Array<SharedArrayBuffer>
  readonly count: number
}

/** Sample `k` of a set; a view, no copy. */
export function sampleOf(set: SampleSet, k: number): Sample {
  const { size, columns, filled } = set
  return { values: set.values.subarray(k * columns * size, (k + 1) * columns * size), size, columns, filled }
}

/** Some rows of a sample, in the given order; a copy, over shared memory. */
export function pickRows(
  { values, size, columns }: Sample,
  rows: Uint32Array,
): Sample & { values: Float64Array<SharedArrayBuffer> } {
  const count = rows.length
  const picked = new Float64Array(shareBytes(8 * count * columns))
  for (let f = 0; f < columns; f++) {
    for (let i = 0; i < count; i++) picked[f * count + i] = values[f * size + rows[i]!]!
  }
  return { values: picked, size: count, columns, filled: count }
}

/**
 * A uniform sample without replacement of a stream of unknown length, in one pass: Algorithm L of
 * Li (1994), "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))". The sample is a
 * function of (seed, stream) and the offered rows alone, not of how the stream is cut into blocks. It goes to `values`.
 */
export function createReservoir({
  values,
  columns,
  size,
  seed,
  stream,
}: Omit<Sample, 'filled'> & { readonly seed: number; readonly stream: number }) {
  const random = createRandom(seed, stream)
  let seen = 0
  let weight = 1
  let next = size

  // log of a number in (0, 1], so that it is finite
  const logUniform = () => Math.log(1 - random.nextFloat())

  /** Chooses the next row that enters: the gap is geometric with the current weight. */
  function skip(): void {
    weight *= Math.exp(logUniform() / size)
    next += Math.floor(logUniform() / Math.log1p(-weight))
  }

  function put(block: Block, row: number, slot: number): void {
    for (let f = 0; f < columns; f++) values[f * size + slot] = block.values[f * block.stride + row]!
  }

  /**
   * Offers rows of a block in order.
   * @param block its first columns are sampled, those beyond the sample's are ignored
   * @param positions rows of the block to offer, ascending; null = rows 0..count-1
   * @param count how many entries of `positions` count
   */
  function offer(block: Block, positions: Uint32Array | null, count: number): void {
    const start = seen
    const end = start + count
    const rowOf = (number: number) => (positions === null ? number - start : positions[number - start]!)
    while (seen < end && seen < size) {
      put(block, rowOf(seen), seen)
      seen++
      if (seen === size) skip()
    }
    while (next < end) {
      put(block, rowOf(next), random.nextInt(size))
      next++
      skip()
    }
    seen = end
  }

  return {
    /** Rows offered so far. */
    get seen(): number {
      return seen
    },
    /** Slots that hold a row: min(seen, size). */
    get filled(): number {
      return Math.min(seen, size)
    },
    offer,
  }
}

/** Replaces every value of a sample that is not finite by `fill[column]`. In place. */
export function fillSample(sample: Sample, fill: Float64Array): void {
  for (let f = 0; f < sample.columns; f++) {
    const start = f * sample.size
    for (let i = start; i < start + sample.filled; i++) {
      if (!Number.isFinite(sample.values[i])) sample.values[i] = fill[f]!
    }
  }
}
