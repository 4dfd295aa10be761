/** The settings and the answer of `POST /evaluate`. */
import { z } from 'zod'
import { scoreSettings } from './score.ts'

export const evaluateSettings = scoreSettings.omit({ return: true, include: true })
export type EvaluateSettings = z.infer<typeof evaluateSettings>

const share = z.number().min(0).max(1)

const events = z.object({
  events: z.int().describe('Unbroken runs of labelled rows, per entity.'),
  found: z.int().describe('Events with at least one flagged row.'),
  medianDelaySeconds: z
    .number()
    .nullable()
    .describe("From an event's first row to its first flag, over the events found."),
  falseAlarms: z.int().describe('Unbroken runs of flagged rows, per entity, that touch no labelled row.'),
  entityDays: z.number(),
  falseAlarmsPerEntityDay: z.number().nullable(),
})

const figures = z.object({
  precision: share.describe('Share of the flagged rows that are anomalies; 0 when nothing was flagged.'),
  recall: share.describe('Share of the anomalies that were flagged.'),
  f1: share,
  rocAuc: share,
  averagePrecision: share,
  confusion: z.object({ tp: z.int(), fp: z.int(), tn: z.int(), fn: z.int() }),
  best: z
    .object({ f1: share, threshold: z.number() })
    .describe('The largest F1 that any threshold gives; it takes the labels to find it.'),
  events: events.nullable().describe('By incident; null without a timestamp.'),
})

export const evaluation = figures
  .extend({
    model: z.string(),
    version: z.int(),
    threshold: z
      .number()
      .describe("The version's own; precision, recall, f1, confusion and events are at this threshold."),
    random: figures.describe('The same figures for a random score that flags the same share of rows.'),
    rows: z.int().describe('Rows of the source inside the window.'),
    unlabelled: z.int().describe('Rows with a null label, left out.'),
    unscored: z.int().describe('Rows without a score, left out.'),
  })
  .meta({ id: 'Evaluation' })

export type Evaluation = z.infer<typeof evaluation>
export type Figures = z.infer<typeof figures>
