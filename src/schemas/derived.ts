/** What trailing rows of an entity give, derived features, smoothing and habituation: how asked for, how remembered. */
import { z } from 'zod'
import { derives } from '../kernels/history/index.ts'
import { columnName } from './source.ts'

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const maxSeconds = 31 * 86_400
/** Rows, or scores, that a window may reach back. */
const maxRows = 100_000
/** Derived features of one model. */
export const maxDerived = 256

const duration = z
  .string()
  .regex(/^[1-9]\d{0,6}[smhd]$/, 'must be a duration such as 90s, 5m, 1h or 7d')
  .refine((text) => durationSeconds(text) <= maxSeconds, 'must be at most 31d')
  .meta({ examples: ['5m', '1h'] })

/** Seconds of a duration. */
export function durationSeconds(text: string): number {
  return Number.parseInt(text, 10) * (unitSeconds[text.at(-1)!] ?? Number.NaN)
}

const trailingWindow = z.union([z.int('must be a whole number of rows').min(1).max(maxRows), duration])

export const derivedFeature = z
  .strictObject({
    column: columnName,
    derive: z.enum(derives),
    window: trailingWindow
      .optional()
      .describe('Rows, or a duration such as 1h. By default 1 row for lag, diff and rate; the others need one.'),
    maxGap: duration
      .optional()
      .describe(
        'Two neighbouring rows of an entity further apart are a gap, before which nothing counts. By default five times the typical step from row to row.',
      ),
  })
  .refine(({ derive, window }) => derive !== 'sameTimeYesterday' || window === undefined, {
    path: ['window'],
    error: 'is not a setting of sameTimeYesterday',
  })
  .refine(({ derive, window }) => window !== undefined || !/^(rolling|zScore|distance)/.test(derive), {
    path: ['window'],
    error: 'is needed',
  })
  .refine(({ derive, window }) => window !== 1 || !/^(rolling|zScore|distance)/.test(derive), {
    path: ['window'],
    error: 'must be at least 2 rows',
  })
  .meta({ id: 'DerivedFeature', examples: [{ column: 'cpu', derive: 'rollingMean', window: 12 }] })
export type DerivedFeature = z.infer<typeof derivedFeature>

/** What a version document says of a derived feature, beside its name and profile. */
export const derivedFacts = {
  kind: z.literal('derived'),
  column: z.string().describe('The column it is derived from.'),
  columnKind: z.enum(['number', 'boolean']),
  type: z.string(),
  derive: z.enum(derives),
  window: trailingWindow.nullable().describe('Rows or a duration.'),
  maxGapSeconds: z
    .number()
    .nullable()
    .describe('What came before a longer pause does not count; null when no pause does.'),
}

/** The window with its default; null for `sameTimeYesterday`. */
export function windowOf({ derive, window }: DerivedFeature): number | string | null {
  return derive === 'sameTimeYesterday' ? null : (window ?? 1)
}

/** The name of a feature that was asked for: of the column, or one made from what is derived, such as `lag(cpu, 1)`. */
export function featureName(feature: string | DerivedFeature): string {
  if (typeof feature === 'string') return feature
  const window = windowOf(feature)
  return `${feature.derive}(${feature.column}${window === null ? '' : `, ${window}`})`
}

export const smoothing = z
  .strictObject({ window: trailingWindow.describe('Rows, at least 2, or a duration such as 1h.') })
  .refine(({ window }) => window !== 1, { path: ['window'], error: 'must be at least 2 rows' })
  .describe('The score becomes the mean of the trailing scores of its entity; threshold and histogram follow.')

export const smoothingDocument = z
  .object({
    window: trailingWindow,
    delay: z
      .array(
        z.object({
          score: z.number(),
          rows: z.int().nullable(),
          seconds: z.number().nullable(),
        }),
      )
      .describe(
        'After how many rows of this score, following typical ones, the smoothed score passes the threshold; the first row counts 1. Seconds from the first of them at the typical step of the training; null where that is not known or it never passes.',
      ),
  })
  .nullable()
  .optional()

export const habituation = z
  .strictObject({
    window: z.int().min(0).max(maxRows).describe('Rows of the entity, at least 2; 0 switches off what auto chooses.'),
  })
  .refine(({ window }) => window !== 1, { path: ['window'], error: 'must be at least 2 rows, or 0' })
  .describe(
    'A row above the threshold is held just below it when half of the window before it was nearly as strange: its odds score / (1 - score) must be four times what half of those rows reach. A state that lasts ends to be an anomaly. Needs a calibrated score (ensemble, auto) and a threshold that is a score.',
  )

export const habituationDocument = z.object({ window: z.int() }).nullable().optional()
