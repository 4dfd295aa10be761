/** Times as text: RFC 3339, and windows made of them. */
import { z } from 'zod'
import { parseTimestamp } from '../time/index.ts'

export const timestamp = z
  .string()
  .max(64)
  .refine((text) => parseTimestamp(text) !== null, 'must be an RFC 3339 time such as 2026-11-22T14:00:00Z')
  .meta({ format: 'date-time', examples: ['2026-11-22T14:00:00Z'] })

const interval = { from: timestamp, to: timestamp }

export const window = z
  .strictObject({
    from: timestamp.optional(),
    to: timestamp.optional(),
    exclude: z.array(z.strictObject(interval)).max(1000).optional().describe('Maintenance, known incidents: left out.'),
  })
  .refine(
    (value) => value.from !== undefined || value.to !== undefined || (value.exclude?.length ?? 0) > 0,
    'must narrow the source',
  )
  .refine(
    ({ from, to, exclude = [] }) =>
      [{ from, to }, ...exclude].every(
        (part) => !part.from || !part.to || parseTimestamp(part.from)! < parseTimestamp(part.to)!,
      ),
    'from must be before to',
  )
  .describe('Half-open time ranges: from <= t < to. A row without a timestamp is in no window.')
