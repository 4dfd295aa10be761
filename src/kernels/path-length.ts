/**
 * Path lengths of Liu, Ting and Zhou (2008), "Isolation Forest", ICDM, with exact harmonic numbers
 * where the paper estimates H(i) by ln(i) + 0.5772: the estimate is off by 0.15 at n = 2.
 */

/**
 * c(n), equation 1: the mean path length of an unsuccessful search in a binary search tree of n rows,
 * 2 H(n-1) - 2 (n-1) / n. c(0) = c(1) = 0, c(2) = 1.
 *
 * @param n rows, an integer >= 0
 */
export const averagePathLength = (n: number): number => averagePathLengths(n)[n]!

/** c(0) to c(max). */
export function averagePathLengths(max: number): Float64Array {
  const lengths = new Float64Array(max + 1)
  let harmonic = 0
  for (let n = 2; n <= max; n++) {
    harmonic += 1 / (n - 1)
    lengths[n] = 2 * harmonic - (2 * (n - 1)) / n
  }
  return lengths
}

/**
 * The anomaly score, equation 2: s = 2^(-E[h] / c(psi)), in (0, 1], higher is stranger, 0.5 when the
 * path is as long as the average.
 *
 * @param pathLengthSum sum of the path lengths h(x) over all trees, >= 0
 * @param factor from `scoreFactor`
 */
export const anomalyScore = (pathLengthSum: number, factor: number): number => Math.exp(-pathLengthSum * factor)

/**
 * What turns a sum of path lengths into the exponent of e: ln 2 / (trees c(psi)), for at least one tree and a sample size psi of at
 * least 2. V8's `exp` is the same code in every version and three times faster than its power.
 */
export const scoreFactor = (trees: number, psi: number): number => Math.LN2 / (trees * averagePathLength(psi))
