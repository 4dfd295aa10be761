/** Words that several contracts share: names, times, windows, sources, problems. */
import { z } from 'zod'

/** What a model may be called. */
export const modelNamePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/

export const modelName = z
  .string()
  .regex(modelNamePattern)
  .describe('Name of a model.')
  .meta({ examples: ['web'] })

/** A column is named as the source names it; the source is the judge of which names exist. */
export const columnName = z.string().min(1).max(10_000)

const timestampPattern = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?$/

/**
 * Microseconds since 1970 of an RFC 3339 time, or null when the text is none. A time without an offset
 * is UTC. A leap second (:60) is the first second of the next minute. Digits past the microsecond are cut.
 */
export function parseTimestamp(text: string): number | null {
  const [, year, month, day, hour, minute, second, fraction, offset] = timestampPattern.exec(text) ?? []
  if (year === undefined) return null
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (mo < 1 || mo > 12 || h > 23 || mi > 59 || s > 60) return null
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(y, mo - 1, d)
  if (d < 1 || date.getUTCDate() !== d) return null
  const [hours, minutes] =
    offset === undefined || offset.length === 1 ? [0, 0] : [Number(offset.slice(1, 3)), Number(offset.slice(4))]
  if (hours > 23 || minutes > 59) return null
  const shift = (hours * 3600 + minutes * 60) * (offset?.startsWith('-') ? -1 : 1)
  const seconds = date.getTime() / 1000 + h * 3600 + mi * 60 + s - shift
  return seconds * 1e6 + Number((fraction ?? '').slice(0, 6).padEnd(6, '0'))
}

/** An RFC 3339 time in UTC for microseconds since 1970; the fraction only where there is one. */
export function formatTimestamp(microseconds: number): string {
  const whole = Math.floor(microseconds / 1e6)
  const fraction = microseconds - whole * 1e6
  const base = new Date(whole * 1000).toISOString().replace('.000Z', '')
  return fraction === 0 ? `${base}Z` : `${base}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

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

export const source = z
  .strictObject({
    path: z
      .union([z.string().min(1).max(4096), z.array(z.string().min(1).max(4096)).min(1).max(100_000)])
      .describe(
        'A file, a folder of Parquet files, or a list of files. Relative paths are looked up in each data root.',
      ),
  })
  .meta({ examples: [{ path: 'web.parquet' }] })

/** A row of telemetry as JSON: column name to value. Checked by a loop where it is used, not cell by cell here. */
export const rows = z
  .array(
    z.custom<Record<string, unknown>>(
      (row) => typeof row === 'object' && row !== null && !Array.isArray(row),
      'must be an object',
    ),
  )
  .describe('Telemetry: one object per observation.')
  .meta({ examples: [[{ cpu: 0.31, latency_ms: 12.4 }]] })

/** A problem document (RFC 9457). */
export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    requestId: z.string(),
  })
  .meta({ id: 'Problem' })
