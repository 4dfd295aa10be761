/** Parts that several charts have. */
import { light } from './palette.ts'
import { formatScore } from './text.ts'

/** A scale of numbers that ends where it is told to. */
export const numbers = (field: string, domain: unknown, axis: object | null = null) => {
  return { field, type: 'quantitative', scale: { domain, nice: false, zero: false }, axis }
}

/** Two kinds of bars by their colours, which the words beside the chart explain. */
export const twoKinds = (domain: readonly string[], range: readonly string[]) => {
  return { field: 'kind', type: 'nominal', scale: { domain, range }, legend: null }
}

/** The text of a row of data. */
export const textOf = (field: string) => ({ field, type: 'nominal' })

/** A line through the chart at the row's place, and words beside it. */
export const thresholdLine = { type: 'rule', strokeDash: [5, 4], strokeWidth: 1.2, color: light.flagged }
export const thresholdWords = (threshold: number) => `threshold ${formatScore(threshold)}`
