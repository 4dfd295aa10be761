/** The settings of `deepwatch generate`. */
import { z } from 'zod'
import { incidentKinds } from '../generate/index.ts'
import { parseTimestamp } from '../time/index.ts'
import { timestamp } from './source.ts'

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

/** A span of time as people write it. Becomes whole seconds, up to a day. */
const interval = z
  .string()
  .regex(/^\d{1,5}[smh]$/, 'must be a time such as 30s, 5m or 1h')
  .transform((text) => Number.parseInt(text, 10) * units[text.at(-1)!]!)
  .pipe(z.int().min(1).max(86_400))

export const generateSettings = z.strictObject({
  hosts: z.int().min(1).max(100_000).default(8).describe('Hosts of the fleet.'),
  days: z.number().gt(0).max(36_500).optional().describe('Length of the telemetry; 14 days without --rows.'),
  rows: z
    .int()
    .min(1)
    .max(1e12)
    .optional()
    .describe('Ends after so many rows; a longer run begins with a shorter one.'),
  interval: interval.prefault('5m').describe('From one row of a host to its next: 30s, 5m, 1h.'),
  start: timestamp
    .prefault('2026-01-05T00:00:00Z')
    .transform((text) => Math.floor(Number(parseTimestamp(text)) / 1e6))
    .describe('Time of the first row; a Monday by default.'),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1).describe('Same seed, same bytes.'),
  incidentRate: z.number().min(0).max(0.5).default(0.02).describe('Share of the rows that are in an incident.'),
  incidents: z
    .array(z.enum(incidentKinds))
    .min(1)
    .max(incidentKinds.length)
    .refine((kinds) => new Set(kinds).size === kinds.length, 'must not repeat')
    .default([...incidentKinds])
    .describe('Kinds of incident there are; by default all of them.'),
})
