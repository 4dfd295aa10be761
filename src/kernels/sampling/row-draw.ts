import { type Block, shareBytes } from '../index.ts'
import type { SampleSet } from './reservoir.ts'
import { RowNumbers, reserveOf, rowNumberBytes } from './row-numbers.ts'

export interface RowDrawOptions {
  /** Samples to draw. */
  readonly count: number
  /** Rows of each, at most. */
  readonly size: number
  /** Rows that may be offered, at most; 1..2^53-1. */
  readonly rows: number
  /** Exactly so many will be offered: none of those drawn can fail to come, and none is drawn beside. */
  readonly isExact?: boolean
  readonly lanes: number
  readonly seed: number
  /** The random stream of sample k. */
  readonly stream: (k: number) => number
}

/** Slots of a sample: its rows and the reserve, but never more than there are rows. */
function slotsOf({ size, rows, isExact = false }: Pick<RowDrawOptions, 'size' | 'rows' | 'isExact'>): number {
  return Math.min(rows, isExact ? size : size + reserveOf(size))
}

/** Bytes that drawing takes: the samples, and for each row that is waited for its number and its place. */
export function rowDrawBytes(options: Omit<RowDrawOptions, 'seed' | 'stream'>): number {
  return options.count * slotsOf(options) * (8 * options.lanes + rowNumberBytes(options.rows))
}

/** Values copied between two pauses: some milliseconds. */
const valuesAtOnce = 524_288

/**
 * Uniform samples without replacement of rows whose number is bounded beforehand. The numbers of the rows are drawn before the rows
 * come, so that of each row only what is wanted is touched; a reservoir (see `createReservoir`), which does not know how many rows
 * there will be, takes in about ln(rows / size) times as many as it keeps.
 *
 * Each sample draws a few numbers more than it needs, in random order. Of a random order of numbers below `rows`, those below a
 * smaller number are in random order, too: when fewer rows are offered than there might have been, the first `size` numbers that did
 * come are a uniform sample of these. A sample is a function of seed, stream, `rows` and the offered rows, not of how they are cut
 * into blocks or of `isExact`.
 */
export class RowDraw {
  readonly #options: RowDrawOptions
  readonly #slots: number
  readonly #values: Float64Array<SharedArrayBuffer>
  readonly #wanted: RowNumbers
  #seen = 0

  constructor(options: RowDrawOptions) {
    const { count, lanes } = options
    this.#options = options
    this.#slots = slotsOf(options)
    this.#values = new Float64Array(shareBytes(8 * count * this.#slots * lanes))
    this.#wanted = new RowNumbers({ ...options, slots: this.#slots })
  }

  /** Rows offered so far. */
  get seen(): number {
    return this.#seen
  }

  /** Draws the numbers; comes before the first row. Whoever runs through it may pause at every step. */
  draw(): Generator<void, void> {
    return this.#wanted.draw()
  }

  /**
   * Offers rows of a block in order. Whoever runs through it may pause at every step, as long as the block stays.
   * @param block its first lanes are sampled, lanes beyond the samples' are ignored
   * @param positions rows of the block to offer, ascending; null = rows 0..count-1
   * @param count how many entries of `positions` count
   * @throws RangeError for more rows than `rows` in all
   */
  *offer(block: Block, positions: Uint32Array | null, count: number): Generator<void, void> {
    const first = this.#seen
    this.#seen += count
    if (this.#seen > this.#options.rows) throw new RangeError('more rows are offered than could be drawn from')
    if (count === 0) return
    const wanted = this.#wanted.between(first, count)
    const { rows, places } = wanted
    if (positions !== null) for (let i = 0; i < wanted.count; i++) rows[i] = positions[rows[i]!]!
    const { lanes } = this.#options
    const matrix = { values: block.values, stride: block.stride, rows }
    const samples = { values: this.#values, stride: this.#slots, rows: places }
    for (let f = 0, copied = 0; f < lanes; ) {
      const together = lanes - f < lanesTogether ? 1 : lanesTogether
      const copy = together === 1 ? copyLane : copyLanes
      copy(matrix, samples, f, wanted.count)
      f += together
      copied += together * wanted.count
      if (copied < valuesAtOnce) continue
      copied = 0
      yield
    }
  }

  /**
   * The samples of the rows that were offered; null when they are not enough, because many fewer were offered than might have been:
   * then they must be offered once more, to a draw that knows their number.
   */
  finish(): SampleSet | null {
    const { count, size, rows, lanes } = this.#options
    const slots = this.#slots
    const filled = Math.min(size, this.#seen)
    if (this.#seen < rows && !this.#replace(filled)) return null
    return { values: this.#values, count, size: slots, lanes, filled }
  }

  /** Puts rows that came, from behind, in the place of those among the first `filled` that never came; whether there were enough. */
  #replace(filled: number): boolean {
    const { count, lanes } = this.#options
    const slots = this.#slots
    const isMissing = this.#wanted.markFrom(this.#seen)
    for (let k = 0; k < count; k++) {
      let spare = filled
      for (let slot = 0; slot < filled; slot++) {
        if (isMissing[k * slots + slot] === 0) continue
        while (spare < slots && isMissing[k * slots + spare] === 1) spare++
        if (spare === slots) return false
        for (let f = 0; f < lanes; f++) {
          const lane = (k * lanes + f) * slots
          this.#values[lane + slot] = this.#values[lane + spare]!
        }
        spare++
      }
    }
    return true
  }
}

/** Values of rows, lane after lane: that of lane f of the row i is values[f * stride + rows[i]]. */
interface Lanes {
  readonly values: Float64Array
  readonly stride: number
  readonly rows: Uint32Array
}

/** Lanes that are copied row by row. */
const lanesTogether = 8

/**
 * Copies eight lanes from `lane` on of the first `count` rows. No cache holds the source, and its values are far apart: sixteen are asked
 * for before one is put down. Those of one row are come by sooner than as many of one lane, in .65 of the time; row by row takes
 * a fifth longer than two at once on Node 20, and the same on Node 24.
 */
function copyLanes(source: Lanes, target: Lanes, lane: number, count: number): void {
  const { values: from, stride, rows } = source
  const { values: to, stride: size, rows: places } = target
  const first = lane * stride
  const place = lane * size
  for (let i = 0; i + 1 < count; i += 2) {
    const s = first + rows[i]!
    const r = first + rows[i + 1]!
    const v0 = from[s]!
    const v1 = from[s + stride]!
    const v2 = from[s + 2 * stride]!
    const v3 = from[s + 3 * stride]!
    const v4 = from[s + 4 * stride]!
    const v5 = from[s + 5 * stride]!
    const v6 = from[s + 6 * stride]!
    const v7 = from[s + 7 * stride]!
    const w0 = from[r]!
    const w1 = from[r + stride]!
    const w2 = from[r + 2 * stride]!
    const w3 = from[r + 3 * stride]!
    const w4 = from[r + 4 * stride]!
    const w5 = from[r + 5 * stride]!
    const w6 = from[r + 6 * stride]!
    const w7 = from[r + 7 * stride]!
    const t = place + places[i]!
    const u = place + places[i + 1]!
    to[t] = v0
    to[t + size] = v1
    to[t + 2 * size] = v2
    to[t + 3 * size] = v3
    to[t + 4 * size] = v4
    to[t + 5 * size] = v5
    to[t + 6 * size] = v6
    to[t + 7 * size] = v7
    to[u] = w0
    to[u + size] = w1
    to[u + 2 * size] = w2
    to[u + 3 * size] = w3
    to[u + 4 * size] = w4
    to[u + 5 * size] = w5
    to[u + 6 * size] = w6
    to[u + 7 * size] = w7
  }
  if (count % 2 === 0) return
  const last = count - 1
  for (let f = 0; f < lanesTogether; f++) to[place + f * size + places[last]!] = from[first + f * stride + rows[last]!]!
}

/** Copies one lane of the first `count` rows, eight values before one is put down as well: a third of the time of one after the other. */
function copyLane(source: Lanes, target: Lanes, lane: number, count: number): void {
  const { values: from, rows } = source
  const { values: to, rows: places } = target
  const s = lane * source.stride
  const t = lane * target.stride
  let i = 0
  for (; i + 8 <= count; i += 8) {
    const v0 = from[s + rows[i]!]!
    const v1 = from[s + rows[i + 1]!]!
    const v2 = from[s + rows[i + 2]!]!
    const v3 = from[s + rows[i + 3]!]!
    const v4 = from[s + rows[i + 4]!]!
    const v5 = from[s + rows[i + 5]!]!
    const v6 = from[s + rows[i + 6]!]!
    const v7 = from[s + rows[i + 7]!]!
    to[t + places[i]!] = v0
    to[t + places[i + 1]!] = v1
    to[t + places[i + 2]!] = v2
    to[t + places[i + 3]!] = v3
    to[t + places[i + 4]!] = v4
    to[t + places[i + 5]!] = v5
    to[t + places[i + 6]!] = v6
    to[t + places[i + 7]!] = v7
  }
  for (; i < count; i++) to[t + places[i]!] = from[s + rows[i]!]!
}
