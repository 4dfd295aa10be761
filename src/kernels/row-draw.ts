import type { Block } from './block.ts'
import { countUp, createRandom, type Random } from './random.ts'
import type { SampleSet } from './reservoir.ts'
import { shareBytes } from './shared.ts'

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

/** Rows that are drawn beside those of a sample, for the case that some of these are never offered: enough where one in twenty is not. */
const reserveOf = (size: number): number => Math.ceil(size / 8) + 8

/** Slots of a sample: its rows and the reserve, but never more than there are rows. */
function slotsOf({ size, rows, isExact = false }: Pick<RowDrawOptions, 'size' | 'rows' | 'isExact'>): number {
  return Math.min(rows, isExact ? size : size + reserveOf(size))
}

/** Bytes that drawing takes: the samples, and 12 for each row that is waited for. */
export function rowDrawBytes(options: Omit<RowDrawOptions, 'seed' | 'stream'>): number {
  return options.count * slotsOf(options) * (8 * options.lanes + 12)
}

/** Rows that lie side by side in the order of their numbers, nearly: those of one bucket in any order. */
const leastBucketRows = 128
const mostBuckets = 65_536
/** Numbers drawn, and values copied, between two pauses: some milliseconds. */
const numbersAtOnce = 65_536
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
  readonly #bucketRows: number
  /** Where the numbers of a bucket begin in the two lists, and where the last one ends. */
  readonly #starts: Uint32Array
  /** The numbers drawn, bucket after bucket, and where the first value of their row goes. */
  #numbers: Float64Array
  #places: Uint32Array
  #seen = 0

  constructor(options: RowDrawOptions) {
    const { count, rows, lanes } = options
    this.#options = options
    this.#slots = slotsOf(options)
    this.#values = new Float64Array(shareBytes(8 * count * this.#slots * lanes))
    this.#bucketRows = Math.max(leastBucketRows, Math.ceil(rows / mostBuckets))
    this.#starts = new Uint32Array(Math.ceil(rows / this.#bucketRows) + 1)
    this.#numbers = new Float64Array(count * this.#slots)
    this.#places = new Uint32Array(count * this.#slots)
  }

  /** Rows offered so far. */
  get seen(): number {
    return this.#seen
  }

  /** Draws the numbers; comes before the first row. Whoever runs through it may pause at every step. */
  *draw(): Generator<void, void> {
    const { count, rows, lanes, seed, stream } = this.#options
    const slots = this.#slots
    const drawn = new Float64Array(count * slots)
    const distinct = createDistinct(rows, slots, this.#options.size)
    for (let k = 0; k < count; k++) {
      distinct(createRandom(seed, stream(k)), drawn.subarray(k * slots, (k + 1) * slots))
      if (((k + 1) * slots) % numbersAtOnce < slots) yield
    }
    const starts = this.#starts
    for (let i = 0; i < drawn.length; i++) starts[this.#bucketOf(drawn[i]!) + 1]!++
    for (let bucket = 1; bucket < starts.length; bucket++) starts[bucket]! += starts[bucket - 1]!
    const next = starts.slice()
    yield
    for (let k = 0, i = 0; k < count; k++) {
      for (let slot = 0; slot < slots; slot++, i++) {
        const at = next[this.#bucketOf(drawn[i]!)]!++
        this.#numbers[at] = drawn[i]!
        this.#places[at] = k * lanes * slots + slot
      }
    }
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
    const from = this.#starts[this.#bucketOf(first)]!
    const to = this.#starts[this.#bucketOf(this.#seen - 1) + 1]!
    const sources = new Uint32Array(to - from)
    const places = new Uint32Array(to - from)
    let wanted = 0
    for (let i = from; i < to; i++) {
      const row = this.#numbers[i]! - first
      if (row < 0 || row >= count) continue
      sources[wanted] = positions === null ? row : positions[row]!
      places[wanted++] = this.#places[i]!
    }
    const { lanes } = this.#options
    const matrix = { values: block.values, stride: block.stride, rows: sources }
    const samples = { values: this.#values, stride: this.#slots, rows: places }
    for (let f = 0, copied = 0; f < lanes; ) {
      const together = lanes - f < lanesTogether ? 1 : lanesTogether
      const copy = together === 1 ? copyLane : copyLanes
      copy(matrix, samples, f, wanted)
      f += together
      copied += together * wanted
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

  #bucketOf(number: number): number {
    return Math.floor(number / this.#bucketRows)
  }

  /** Puts rows that came, from behind, in the place of those among the first `filled` that never came; whether there were enough. */
  #replace(filled: number): boolean {
    const { count, lanes } = this.#options
    const slots = this.#slots
    const isMissing = new Uint8Array(count * slots)
    this.#numbers.forEach((number, i) => {
      if (number < this.#seen) return
      const slot = this.#places[i]! % slots
      isMissing[((this.#places[i]! - slot) / slots / lanes) * slots + slot] = 1
    })
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
 * Copies eight lanes from `lane` on of the first `count` rows. No cache holds the source, and its values are far apart: eight are asked for
 * before one is put down. Those of one row are come by sooner than eight of one lane, in .65 of the time.
 */
function copyLanes(source: Lanes, target: Lanes, lane: number, count: number): void {
  const { values: from, stride, rows } = source
  const { values: to, stride: size, rows: places } = target
  for (let i = 0; i < count; i++) {
    const s = lane * stride + rows[i]!
    const v0 = from[s]!
    const v1 = from[s + stride]!
    const v2 = from[s + 2 * stride]!
    const v3 = from[s + 3 * stride]!
    const v4 = from[s + 4 * stride]!
    const v5 = from[s + 5 * stride]!
    const v6 = from[s + 6 * stride]!
    const v7 = from[s + 7 * stride]!
    const t = lane * size + places[i]!
    to[t] = v0
    to[t + size] = v1
    to[t + 2 * size] = v2
    to[t + 3 * size] = v3
    to[t + 4 * size] = v4
    to[t + 5 * size] = v5
    to[t + 6 * size] = v6
    to[t + 7 * size] = v7
  }
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

/** Fills an array of `slots` entries with different numbers of 0..rows-1, in random order where `size` of them are a choice. */
function createDistinct(rows: number, slots: number, size: number): (random: Random, into: Float64Array) => void {
  const drawBelow = (random: Random, n: number) => Math.floor(random.nextFloat() * n)
  if (size >= rows) return (_, into) => into.set(countUp(rows))
  // Where nearly all are drawn, one that is new would be long in coming. The reserve counts even where there is none: with it and
  // without, the same numbers are drawn.
  if (size + reserveOf(size) > rows / 2) {
    const order = new Float64Array(rows)
    return (random, into) => {
      for (let number = 0; number < rows; number++) order[number] = number
      // Fisher and Yates, as Durstenfeld 1964 put it.
      for (let i = 0; i < slots; i++) {
        const j = i + drawBelow(random, rows - i)
        into[i] = order[j]!
        order[j] = order[i]!
      }
    }
  }
  const cells = 2 ** Math.ceil(Math.log2(2 * slots))
  const taken = new Float64Array(cells)
  const floats = new Float64Array(slots)
  return (random, into) => {
    taken.fill(-1)
    let next = slots
    for (let i = 0; i < slots; ) {
      if (next === slots) {
        random.nextFloats(floats)
        next = 0
      }
      const number = Math.floor(floats[next++]! * rows)
      let cell = Math.imul(number, 0x9e37_79b1) & (cells - 1)
      while (taken[cell] !== -1 && taken[cell] !== number) cell = (cell + 1) & (cells - 1)
      if (taken[cell] === number) continue
      taken[cell] = number
      into[i++] = number
    }
  }
}
