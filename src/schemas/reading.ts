/** How the values of a source are to be read, where they do not say it themselves. */
import { z } from 'zod'
import { dateOrders, epochUnits, timeReader } from '../time/index.ts'
import { columnName } from './source.ts'

export const reading = {
  timestampUnit: z
    .enum(Object.keys(epochUnits) as (keyof typeof epochUnits)[])
    .optional()
    .describe('Unit of timestamps that are numbers since 1970; by default told by their size.'),
  timestampFormat: z
    .string()
    .min(1)
    .max(100)
    .refine(
      (format) => timeReader(format) !== null,
      `must be ${dateOrders.join(', ')} or a pattern with year, month and day such as %d.%m.%Y %H:%M`,
    )
    .optional()
    .describe(
      'Format of timestamps that are text: day-first, month-first, or a pattern of %Y %y %m %d %b %B %H %I %p %M %S %f %z. By default ISO 8601, RFC 2822, YYYY/MM/DD, and dates whose order their values tell.',
    ),
  nullValues: z
    .array(
      z
        .string()
        .min(1)
        .max(100)
        .regex(/^\P{Cc}*$/u, 'must have no control characters'),
    )
    .min(1)
    .max(100)
    .optional()
    .describe('Words and numbers that stand for a missing value, beside blank, -, NA, N/A, null, None and NaN.'),
  header: z
    .boolean()
    .optional()
    .describe('Whether the first line of CSV names the columns; by default told by the first two lines.'),
  flatten: z
    .boolean()
    .optional()
    .describe(
      'Whether nested objects of NDJSON and JSON rows become columns with dotted names; by default they are not read.',
    ),
  pivot: z
    .strictObject({ metric: columnName, value: columnName })
    .optional()
    .describe(
      'For telemetry with a row per metric: the columns with the name of the metric and with its value. Every metric becomes a column.',
    )
    .meta({ examples: [{ metric: 'metric', value: 'value' }] }),
}

const readingDocument = z.object(reading)
/** How a source is read. */
export type Reading = z.infer<typeof readingDocument>

/** The settings of these that are there. */
export function readingOf(settings: Reading): Reading {
  const names = Object.keys(reading) as (keyof Reading)[]
  return Object.fromEntries(names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]))
}

/** What a version remembers of how its telemetry was read; scoring reads alike unless the request says otherwise. */
export const readingOfVersion = readingDocument
  .optional()
  .describe('How the telemetry of the training was read, where that was said or found; scoring goes by it, too.')
