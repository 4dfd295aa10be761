/** How telemetry is named or given. */
import { z } from 'zod'
import { type Row, type Rows, SmallBatch } from '../json/index.ts'

/** A column is named as the source names it; the source is the judge of which names exist. */
export const columnName = z.string().min(1).max(10_000)

export const source = z
  .strictObject({
    path: z
      .union([z.string().min(1).max(4096), z.array(z.string().min(1).max(4096)).min(1).max(100_000)])
      .describe(
        'A file, a folder of Parquet files, or a list of files. Relative paths are looked up in each data root.',
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
