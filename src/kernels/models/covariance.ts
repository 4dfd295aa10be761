/**
 * A covariance that can be inverted although there are few rows: Ledoit and Wolf (2004), "A well-conditioned
 * estimator for large-dimensional covariance matrices", J. Multivariate Analysis 88.
 * Sigma* = (1 - b) S + b m I, equation 14 of the paper, with m = tr(S) / p (lemma 3.2), and
 * b = min(b2, d2) / d2, where d2 = |S - m I|^2 / p (lemma 3.3) and b2 is the mean squared distance of a row's own
 * x x' from S, divided by n p (lemma 3.4). S is the covariance around the mean, divided by n.
 *
 * @param rows n x p, row-major, n >= 1; their squares must not overflow. Centred in place.
 * @returns the covariance p x p, row-major, symmetric; the shrinkage b, the weight of the scaled identity, 0..1
 */
export function shrunkCovariance(rows: Float64Array, p: number) {
  const n = rows.length / p
  const mean = centre(rows, n, p)
  const covariance = new Float64Array(p * p)
  // Sum over rows of |x|^4, which is the sum of all squared entries of all x x'.
  let fourth = 0
  for (let i = 0; i < n; i++) {
    const start = i * p
    let square = 0
    for (let a = 0; a < p; a++) {
      const value = rows[start + a]!
      square += value * value
      if (value === 0) continue
      const at = a * p
      for (let b = 0; b <= a; b++) covariance[at + b] = covariance[at + b]! + value * rows[start + b]!
    }
    fourth += square * square
  }
  let trace = 0
  let squares = 0
  for (let a = 0; a < p; a++) {
    for (let b = 0; b <= a; b++) {
      const value = covariance[a * p + b]! / n
      covariance[a * p + b] = covariance[b * p + a] = value
      squares += a === b ? value * value : 2 * value * value
    }
    trace += covariance[a * p + a]!
  }
  const target = trace / p
  const spread = (squares - 2 * target * trace + p * target * target) / p
  const noise = (fourth / n - squares) / (n * p)
  const shrinkage = spread > 0 && noise > 0 ? Math.min(noise, spread) / spread : 0
  for (let at = 0; at < covariance.length; at++) covariance[at] = covariance[at]! * (1 - shrinkage)
  for (let a = 0; a < p; a++) covariance[a * p + a] = covariance[a * p + a]! + shrinkage * target
  return { mean, covariance, shrinkage }
}

function centre(rows: Float64Array, n: number, p: number): Float64Array {
  const mean = new Float64Array(p)
  for (let at = 0; at < rows.length; at++) mean[at % p] = mean[at % p]! + rows[at]!
  for (let a = 0; a < p; a++) mean[a] = mean[a]! / n
  for (let at = 0; at < rows.length; at++) rows[at] = rows[at]! - mean[at % p]!
  return mean
}

/**
 * The inverse of the lower Cholesky factor of a covariance: W with W' W = covariance^-1, so that the squared
 * Mahalanobis distance of x is |W (x - mean)|^2. Lower triangular, packed by rows: W[a][b] at a (a + 1) / 2 + b.
 * A direction without any variance left gets the smallest variance that keeps the numbers finite.
 */
export function whitening(covariance: Float64Array, p: number): Float64Array {
  const factor = Float64Array.from(covariance)
  let largest = 0
  for (let a = 0; a < p; a++) largest = Math.max(largest, covariance[a * p + a]!)
  const smallest = largest > 0 ? largest * 1e-14 : 1
  for (let a = 0; a < p; a++) {
    for (let b = 0; b <= a; b++) {
      let value = factor[a * p + b]!
      for (let c = 0; c < b; c++) value -= factor[a * p + c]! * factor[b * p + c]!
      factor[a * p + b] = a === b ? Math.sqrt(Math.max(value, smallest)) : value / factor[b * p + b]!
    }
  }
  return invertLower(factor, p)
}

function invertLower(factor: Float64Array, p: number): Float64Array {
  const inverse = new Float64Array((p * (p + 1)) / 2)
  const at = (a: number, b: number) => (a * (a + 1)) / 2 + b
  for (let b = 0; b < p; b++) {
    for (let a = b; a < p; a++) {
      let value = a === b ? 1 : 0
      for (let c = b; c < a; c++) value -= factor[a * p + c]! * inverse[at(c, b)]!
      inverse[at(a, b)] = value / factor[a * p + a]!
    }
  }
  return inverse
}
