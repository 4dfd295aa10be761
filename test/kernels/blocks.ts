/** Small blocks and samples for tests. */
import type { Block } from '../../src/kernels/block.ts'
import { createRandom, type Random } from '../../src/kernels/sampling/random.ts'
import type { Sample } from '../../src/kernels/sampling/reservoir.ts'

/** A block of the given rows, each a list of columns. `stride` leaves unused places after each column. */
export function blockOf(
  rows: readonly (readonly number[])[],
  columns = rows[0]?.length ?? 1,
  stride = rows.length + 3,
): Block {
  const values = new Float64Array(new SharedArrayBuffer(8 * Math.max(1, columns * stride)))
  values.fill(Number.NaN)
  rows.forEach((row, r) => {
    row.forEach((value, f) => {
      values[f * stride + r] = value
    })
  })
  return { values, stride, rows: rows.length, columns }
}

/** Row r of a block as a list. */
export function rowOf(block: Block, r: number, columns = block.columns): number[] {
  return Array.from({ length: columns }, (_, f) => block.values[f * block.stride + r] as number)
}

/** A sample that holds the given rows. */
export function sampleFrom(rows: readonly (readonly number[])[], columns = rows[0]?.length ?? 1): Sample {
  const values = new Float64Array(rows.length * columns)
  rows.forEach((row, i) => {
    for (let f = 0; f < columns; f++) values[f * rows.length + i] = row[f] as number
  })
  return { values, size: rows.length, columns, filled: rows.length }
}

/** A standard normal number (Box and Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
}

export function normalRows(count: number, columns: number, seed = 1): number[][] {
  const random = createRandom(seed, 0)
  return Array.from({ length: count }, () => Array.from({ length: columns }, () => normal(random)))
}

/** Doubles that break arithmetic: signed zeros, denormals, extremes, neighbours. */
export const hostileValues = [
  ...[0, -0, 5e-324, -5e-324, 2.2250738585072014e-308, 1, 1 + 2 ** -52, 1 - 2 ** -53, -1],
  ...[1e308, -1e308, Number.MAX_VALUE, -Number.MAX_VALUE, 1e-300, 1 / 3],
]

/** Rows of values drawn from a list, so that there are many ties. */
export function drawnRows(count: number, columns: number, values: readonly number[], seed = 1): number[][] {
  const random = createRandom(seed, 0)
  return Array.from({ length: count }, () =>
    Array.from({ length: columns }, () => values[random.nextInt(values.length)] as number),
  )
}
