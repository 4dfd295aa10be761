/** How good scores are, given labels. */
import { f1Of, rank } from '../../src/kernels/scores/ranking.ts'

export interface Figures {
  readonly rocAuc: number
  /** Average precision, step-wise: PR-AUC. */
  readonly averagePrecision: number
  /** With the best threshold there is, known from the labels: an upper bound. */
  readonly bestF1: number
  /** As many rows flagged as there are anomalies. */
  readonly f1AtContamination: number
  /** With the threshold that training set without labels. */
  readonly f1AtThreshold: number
  /** Share of the normal rows that are flagged at that threshold. */
  readonly falseAlarms: number
}

/** @param labels 1 for an anomaly @param threshold flagged is what scores above it */
export function figuresOf(scores: Float64Array, labels: Uint8Array, threshold: number): Figures {
  const positive = scores.filter((_, row) => labels[row] === 1)
  const negative = scores.filter((_, row) => labels[row] === 0)
  const ranking = rank({ positive, negative })
  const countAbove = (values: Float64Array, least: number) =>
    values.reduce((count, score) => count + (score > least ? 1 : 0), 0)
  const f1At = (least: number) => {
    const found = countAbove(positive, least)
    return f1Of(found, countAbove(negative, least), positive.length - found)
  }
  return {
    rocAuc: ranking.rocAuc,
    averagePrecision: ranking.averagePrecision,
    bestF1: ranking.best.f1,
    f1AtContamination: f1OfAsMany(scores, positive),
    f1AtThreshold: f1At(threshold),
    falseAlarms: countAbove(negative, threshold) / negative.length,
  }
}

/**
 * As many rows flagged as there are anomalies, so that precision, recall and F1 are one number. Rows that tie at the line
 * are flagged at random: the expectation of it.
 */
function f1OfAsMany(scores: Float64Array, positive: Float64Array): number {
  const line = scores.slice().sort()[scores.length - positive.length] as number
  const count = (values: Float64Array, test: (score: number) => boolean) =>
    values.reduce((sum, score) => sum + (test(score) ? 1 : 0), 0)
  const above = count(scores, (score) => score > line)
  const tied = count(scores, (score) => score === line)
  const found = count(positive, (score) => score > line)
  const foundTied = count(positive, (score) => score === line)
  return (found + (foundTied * (positive.length - above)) / tied) / positive.length
}

/** Mean of each figure. */
export function meanFigures(all: readonly Figures[]): Figures {
  const names = Object.keys(all[0]!) as (keyof Figures)[]
  const means = names.map((name) => [name, all.reduce((sum, figures) => sum + figures[name], 0) / all.length])
  return Object.fromEntries(means) as unknown as Figures
}
