import { countUp, createRandom, type Random } from './random.ts'

export interface RowNumbersOptions {
  /** Samples to draw. */
  readonly count: number
  /** Rows of each that are wanted, at most. */
  readonly size: number
  /** Numbers of each, those of a reserve included; at most `rows`. */
  readonly slots: number
  /** Numbers are drawn below it; 1..2^53-1. */
  readonly rows: number
  /** Values of a row. */
  readonly columns: number
  readonly seed: number
  /** The random stream of sample k. */
  readonly stream: (k: number) => number
}

/** Numbers of rows. Those of 32 bits are faster than doubles, which hold all that a file can have. */
type Numbers = Uint32Array | Float64Array

const numbersFor = (rows: number, count: number): Numbers =>
  rows < 2 ** 32 ? new Uint32Array(count) : new Float64Array(count)

/** Bytes of a drawn number and its place. */
export const rowNumberBytes = (rows: number): number => numbersFor(rows, 0).BYTES_PER_ELEMENT + 4

/** Rows that are drawn beside those of a sample, for the case that some of these are never offered: enough where one in twenty is not. */
export const reserveOf = (size: number): number => Math.ceil(size / 8) + 8

/** Rows that lie side by side in the order of their numbers, nearly: those of one bucket in any order. */
const minBucketRows = 128
const maxBuckets = 65_536
/** Numbers drawn or sorted between two pauses: some milliseconds. */
const numbersAtOnce = 65_536

/** Numbers of wanted rows and, for each, where the first of its values goes. */
export interface Wanted {
  readonly rows: Uint32Array
  readonly places: Uint32Array
  readonly count: number
}

/**
 * The numbers of the rows that samples want, without replacement within a sample, in nearly the order in which rows come. What a
 * sample gets is a function of seed, stream, `rows` and `size`.
 */
export class RowNumbers {
  readonly #options: RowNumbersOptions
  /** One by the rows of a bucket, a power of two: numbers are sooner multiplied than divided. */
  readonly #share: number
  /** Where the numbers of a bucket begin in the two lists, and where the last one ends. */
  readonly #starts: Uint32Array
  readonly #numbers: Numbers
  readonly #places: Uint32Array

  constructor(options: RowNumbersOptions) {
    const { count, slots, rows } = options
    this.#options = options
    this.#share = 1 / Math.max(minBucketRows, 2 ** Math.ceil(Math.log2(rows / maxBuckets)))
    this.#starts = new Uint32Array(Math.ceil(rows * this.#share) + 1)
    this.#numbers = numbersFor(rows, count * slots)
    this.#places = new Uint32Array(count * slots)
  }

  /** Draws the numbers; comes before anything else. Whoever runs through it may pause at every step. */
  *draw(): Generator<void, void> {
    const { count, slots, rows, seed, stream } = this.#options
    const drawn = numbersFor(rows, count * slots)
    const distinct = createDistinct(this.#options)
    const together = Math.ceil(numbersAtOnce / slots)
    const runs = Array.from({ length: Math.ceil(count / together) }, (_, run) => run * together)
    // What takes long is in functions of its own: the loops of a generator are compiled late, or never.
    for (const from of runs) {
      for (let k = from; k < Math.min(from + together, count); k++)
        distinct(createRandom(seed, stream(k)), drawn.subarray(k * slots, (k + 1) * slots))
      this.#count(drawn, from * slots, Math.min(from + together, count) * slots)
      yield
    }
    const next = addUp(this.#starts)
    for (const from of runs) {
      this.#sort(drawn, from, Math.min(from + together, count), next)
      yield
    }
  }

  /**
   * Those of the rows first..first+count-1, less `first`, in nearly ascending order; a copy.
   * @param count 1..2^32-1; with `first`, no more than `rows`
   */
  between(first: number, count: number): Wanted {
    const numbers = this.#numbers
    const from = this.#starts[this.#bucketOf(first)]!
    const to = this.#starts[this.#bucketOf(first + count - 1) + 1]!
    const rows = new Uint32Array(to - from)
    const places = new Uint32Array(to - from)
    let wanted = 0
    for (let i = from; i < to; i++) {
      const row = numbers[i]! - first
      if (row < 0 || row >= count) continue
      rows[wanted] = row
      places[wanted++] = this.#places[i]!
    }
    return { rows, places, count: wanted }
  }

  /** A 1 for each row from `seen` on, that of slot s of sample k at k * slots + s. */
  markFrom(seen: number): Uint8Array {
    const { count, slots, columns } = this.#options
    const marks = new Uint8Array(count * slots)
    this.#numbers.forEach((number, i) => {
      if (number < seen) return
      const slot = this.#places[i]! % slots
      marks[((this.#places[i]! - slot) / slots / columns) * slots + slot] = 1
    })
    return marks
  }

  #bucketOf(number: number): number {
    return Math.floor(number * this.#share)
  }

  #count(drawn: Numbers, from: number, to: number): void {
    const starts = this.#starts
    for (let i = from; i < to; i++) starts[this.#bucketOf(drawn[i]!) + 1]!++
  }

  /** Puts the numbers of the samples from..to-1 where they belong; `next` is where the next one of a bucket goes. */
  #sort(drawn: Numbers, from: number, to: number, next: Uint32Array): void {
    const { slots, columns } = this.#options
    const numbers = this.#numbers
    const places = this.#places
    for (let k = from, i = from * slots; k < to; k++) {
      for (let slot = 0; slot < slots; slot++, i++) {
        const at = next[this.#bucketOf(drawn[i]!)]!++
        numbers[at] = drawn[i]!
        places[at] = k * columns * slots + slot
      }
    }
  }
}

/** Adds to each count all those before it; returns a copy. */
function addUp(counts: Uint32Array): Uint32Array {
  for (let i = 1; i < counts.length; i++) counts[i]! += counts[i - 1]!
  return counts.slice()
}

type Distinct = (random: Random, into: Numbers) => void

/** Fills an array of `slots` entries with different numbers of 0..rows-1, in random order where `size` of them are a choice. */
function createDistinct({ rows, slots, size }: RowNumbersOptions): Distinct {
  if (size >= rows) return (_, into) => into.set(countUp(rows))
  // Where nearly all are drawn, one that is new would be long in coming. The reserve counts even where there is none: with it and
  // without, the same numbers are drawn.
  return size + reserveOf(size) > rows / 2 ? shuffled(rows, slots) : rejecting(rows, slots)
}

/** Fisher and Yates, as Durstenfeld 1964 put it. */
function shuffled(rows: number, slots: number): Distinct {
  const order = new Float64Array(rows)
  return (random, into) => {
    for (let number = 0; number < rows; number++) order[number] = number
    for (let i = 0; i < slots; i++) {
      const j = i + Math.floor(random.nextFloat() * (rows - i))
      into[i] = order[j]!
      order[j] = order[i]!
    }
  }
}

/** Draws, and again what is there already. */
function rejecting(rows: number, slots: number): Distinct {
  // Every fourth cell is taken at most: so most numbers find theirs at once.
  const cells = 2 ** Math.ceil(Math.log2(4 * slots))
  const taken = numbersFor(rows, cells)
  return (random, into) => {
    taken.fill(0)
    for (let i = 0; i < slots; ) {
      const number = Math.floor(random.nextFloat() * rows)
      // A cell that is free holds 0.
      const mark = number + 1
      let cell = Math.imul(number, 0x9e37_79b1) & (cells - 1)
      while (taken[cell] !== 0 && taken[cell] !== mark) cell = (cell + 1) & (cells - 1)
      if (taken[cell] === mark) continue
      taken[cell] = mark
      into[i++] = number
    }
  }
}
