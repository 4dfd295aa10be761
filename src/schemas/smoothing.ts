/** Smoothing of the score: how it is asked for, and what a version document says of it. */
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
