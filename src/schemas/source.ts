/** What the settings of several requests are made of: models, columns, telemetry, and windows of time. */
import { z } from 'zod'
import { type Row, type Rows, SmallBatch } from '../json/index.ts'
import { parseTimestamp } from '../time/index.ts'

/** A column is named as the source names it; the source is the judge of which names exist. */
export const columnName = z.string().min(1).max(10_000)

export const source = z
  .strictObject({
    path: z
      .union([z.string().min(1).max(4096), z.array(z.string().min(1).max(4096)).min(1).max(100_000)])
      .describe(
        'A file, a folder of files of one format, a pattern with * or ? in its last part, or a list of files. Relative paths are looked up in each data root.',
      ),
  })
  .meta({ examples: [{ path: 'web.parquet' }] })

const isRow = (row: unknown): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row)

/** Whether a value passes as `rows`. */
export const areRows = (given: unknown): given is Rows =>
  given instanceof SmallBatch || (Array.isArray(given) && given.every(isRow))

/**
 * Rows of telemetry as JSON, one object per observation: column name to value. Values are judged where they are used, and
 * one bad row is enough. One check over the list: a schema per row costs as much as parsing it.
 */
export const rows = z
  .custom<Rows>((given) => given instanceof SmallBatch || Array.isArray(given), 'must be a list')
  .superRefine((given, context) => {
    if (given instanceof SmallBatch) return
    const index = given.findIndex((row) => !isRow(row))
    if (index !== -1) context.addIssue({ code: 'custom', path: [index], message: 'must be an object' })
  })
  .describe('Telemetry: one object per observation.')
  .meta({
    type: 'array',
    items: { type: 'object', additionalProperties: true },
    examples: [[{ cpu: 0.31, latency_ms: 12.4 }]],
  })

/** What a model may be called. */
export const modelNamePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/

export const modelName = z
  .string()
  .regex(modelNamePattern)
  .describe('Name of a model.')
  .meta({ examples: ['web'] })

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
