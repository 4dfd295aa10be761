/** Smoothing and habituation of the score: how they are asked for, and what a version document says of them. */
import { z } from 'zod'
import { trailingWindow } from './derived.ts'

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

/** Scores that habituation may look back at. */
const maxRows = 100_000

export const habituation = z
  .strictObject({
    window: z.int().min(0).max(maxRows).describe('Rows of the entity, at least 2; 0 switches off what auto chooses.'),
  })
  .refine(({ window }) => window !== 1, { path: ['window'], error: 'must be at least 2 rows, or 0' })
  .describe(
    'A row above the threshold is held just below it when half of the window before it was nearly as strange: its odds score / (1 - score) must be four times what half of those rows reach. A state that lasts ends to be an anomaly. Needs a calibrated score (ensemble, auto) and a threshold that is a score.',
  )

export const habituationDocument = z.object({ window: z.int() }).nullable().optional()
