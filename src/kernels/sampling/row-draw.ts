import { type Block, shareBytes } from '../index.ts'
import type { SampleSet } from './reservoir.ts'
import { RowNumbers, type RowNumbersOptions, reserveOf, rowNumberBytes, type Wanted } from './row-numbers.ts'

/** `rows` is how many may be offered, at most. */
export interface RowDrawOptions extends Omit<RowNumbersOptions, 'slots'> {
  /** Exactly so many will be offered: none of those drawn can fail to come, and none is drawn beside. */
  readonly isExact?: boolean
}

/** Slots of a sample: its rows and the reserve, but never more than there are rows. */
function slotsOf({ size, rows, isExact = false }: Pick<RowDrawOptions, 'size' | 'rows' | 'isExact'>): number {
  return Math.min(rows, isExact ? size : size + reserveOf(size))
}

/** Bytes that drawing takes: the samples, and for each row that is waited for its number and its place. */
export function rowDrawBytes(options: Omit<RowDrawOptions, 'seed' | 'stream'>): number {
  return options.count * slotsOf(options) * (8 * options.columns + rowNumberBytes(options.rows))
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
    const { count, columns } = options
    this.#options = options
    this.#slots = slotsOf(options)
    this.#values = new Float64Array(shareBytes(8 * count * this.#slots * columns))
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
   * @param block its first columns are sampled, columns beyond the samples' are ignored
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
    const { rows } = wanted
    if (positions !== null) for (let i = 0; i < wanted.count; i++) rows[i] = positions[rows[i]!]!
    const rowsAtOnce = Math.ceil(valuesAtOnce / this.#options.columns)
    // The loops are in a function of their own: those of a generator are compiled late, or never.
    for (let from = 0; from < wanted.count; from += rowsAtOnce) {
      this.#copy(block, wanted, from, Math.min(from + rowsAtOnce, wanted.count))
      yield
    }
  }

  /** Copies the wanted rows from..to-1, all values of one before the next. */
  #copy({ values, stride }: Block, { rows, places }: Wanted, from: number, to: number): void {
    const { columns } = this.#options
    const samples = this.#values
    const slots = this.#slots
    for (let i = from; i < to; i++) {
      const row = rows[i]!
      const place = places[i]!
      for (let f = 0; f < columns; f++) samples[place + f * slots] = values[row + f * stride]!
    }
  }

  /**
   * The samples of the rows that were offered; null when they are not enough, because many fewer were offered than might have been:
   * then they must be offered once more, to a draw that knows their number.
   */
  finish(): SampleSet | null {
    const { count, size, rows, columns } = this.#options
    const slots = this.#slots
    const filled = Math.min(size, this.#seen)
    if (this.#seen < rows && !this.#replace(filled)) return null
    return { values: this.#values, count, size: slots, columns, filled }
  }

  /** Puts rows that came, from behind, in the place of those among the first `filled` that never came; whether there were enough. */
  #replace(filled: number): boolean {
    const { count, columns } = this.#options
    const slots = this.#slots
    const isMissing = this.#wanted.markFrom(this.#seen)
    for (let k = 0; k < count; k++) {
      let spare = filled
      for (let slot = 0; slot < filled; slot++) {
        if (isMissing[k * slots + slot] === 0) continue
        while (spare < slots && isMissing[k * slots + spare] === 1) spare++
        if (spare === slots) return false
        for (let f = 0; f < columns; f++) {
          const column = (k * columns + f) * slots
          this.#values[column + slot] = this.#values[column + spare]!
        }
        spare++
      }
    }
    return true
  }
}
