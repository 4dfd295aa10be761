const MIN_ROOM = 8

/** The trailing rows of an entity: a time and some values each, numbered from the first one that was taken. */
export class TrailingRows {
  /** Number of the newest row. */
  newest = -1
  /** Number of the oldest row that is still there; whoever raises it forgets those before. */
  oldest = 0
  private readonly columns: number
  /** Rows there is room for, a power of two; a row lies at its number modulo this. */
  private room = MIN_ROOM
  private times = new Float64Array(MIN_ROOM)
  private values: Float64Array

  constructor(columns: number) {
    this.columns = columns
    this.values = new Float64Array(MIN_ROOM * columns)
  }

  get count(): number {
    return this.newest - this.oldest + 1
  }

  get bytes(): number {
    return 8 * this.room * (1 + this.columns)
  }

  /** Epoch microseconds of a row. */
  time(row: number): number {
    return this.times[row & (this.room - 1)]!
  }

  /** A value of a row. */
  value(column: number, row: number): number {
    return this.values[column * this.room + (row & (this.room - 1))]!
  }

  /** Begins the next row, whose values are to be `set`. */
  begin(time: number): void {
    if (this.count === this.room) this.grow()
    this.times[++this.newest & (this.room - 1)] = time
  }

  /** Gives the newest row a value. */
  set(column: number, value: number): void {
    this.values[column * this.room + (this.newest & (this.room - 1))] = value
  }

  /** The rows, oldest first: per row its time, then its values. */
  store(): Float64Array {
    const width = 1 + this.columns
    return Float64Array.from({ length: this.count * width }, (_, at) => {
      const row = this.oldest + Math.floor(at / width)
      return at % width === 0 ? this.time(row) : this.value((at % width) - 1, row)
    })
  }

  private grow(): void {
    const { room, columns, times, values } = this
    const wider = 2 * room
    this.times = new Float64Array(wider)
    this.values = new Float64Array(wider * columns)
    for (let row = this.oldest; row <= this.newest; row++) {
      const [from, to] = [row & (room - 1), row & (wider - 1)]
      this.times[to] = times[from]!
      for (let column = 0; column < columns; column++) this.values[column * wider + to] = values[column * room + from]!
    }
    this.room = wider
  }
}
