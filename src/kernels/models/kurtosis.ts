import type { Sample } from '../sampling/index.ts'

/**
 * The kurtosis of each column of a sample: the mean fourth power of the distance from the mean over the square of the mean
 * square, 3 for normal values, 1 for two equally frequent values, at most the number of rows. A few rows far outside make it
 * large, so it tells which features hold outliers. 1 for a column that is constant in the sample.
 *
 * @param sample every value finite, at least one row
 */
export function kurtosisOf({ values, columns, size, filled }: Sample): Float64Array {
  return Float64Array.from({ length: columns }, (_, f) => {
    const column = values.subarray(f * size, f * size + filled)
    // In units of the largest value, then of the largest distance, so that no power over- or underflows.
    const unit = column.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    const mean = column.reduce((sum, value) => sum + value / unit / filled, 0)
    const farthest = column.reduce((max, value) => Math.max(max, Math.abs(value / unit - mean)), 0)
    let [squares, fourths] = [0, 0]
    for (const value of column) {
      const square = ((value / unit - mean) / farthest) ** 2
      squares += square
      fourths += square * square
    }
    const kurtosis = (filled * fourths) / (squares * squares)
    return kurtosis >= 1 && kurtosis <= filled ? kurtosis : 1
  })
}
