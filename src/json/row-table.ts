/** One observation as JSON has it: column name to value. */
export type Row = Record<string, unknown>
/** Rows as objects, or as a table where they are all alike. */
export type Rows = readonly Row[] | RowTable

/**
 * Rows that all have the same columns in the same order, none of which is both numbers and texts: what most live requests are
 * made of. Numbers are not boxed, and no object is made for a row until somebody asks for it.
 */
export class RowTable {
  /** Of the columns; unique. */
  readonly names: readonly string[]
  /** Number of rows. */
  readonly length: number
  /** The value of column c in row r at r * names.length + c; NaN for null, and in columns of texts. */
  readonly numbers: Float64Array
  /** Per column its texts, one for each row, null for null; undefined for a column of numbers. */
  readonly texts: readonly (readonly (string | null)[] | undefined)[]
  #rows: readonly Row[] | undefined

  constructor(names: readonly string[], numbers: Float64Array, texts: RowTable['texts']) {
    this.names = names
    this.length = numbers.length / names.length
    this.numbers = numbers
    this.texts = texts
  }

  /** The rows as `JSON.parse` gives them, made once. */
  toRows(): readonly Row[] {
    this.#rows ??= this.#makeRows()
    return this.#rows
  }

  #makeRows(): readonly Row[] {
    const { names, numbers, texts } = this
    return Array.from({ length: this.length }, (_, row) => {
      const cells: Row = {}
      for (let column = 0; column < names.length; column++) {
        const value = numbers[row * names.length + column]!
        const text = texts[column]
        cells[names[column]!] = text ? text[row] : Number.isNaN(value) ? null : value
      }
      return cells
    })
  }

  /** Whoever writes rows down need not know how they are held. */
  toJSON(): readonly Row[] {
    return this.toRows()
  }
}

/** The rows as objects. */
export const asRows = (rows: Rows): readonly Row[] => (rows instanceof RowTable ? rows.toRows() : rows)
