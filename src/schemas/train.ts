/** The settings of `POST /train`. */
import { z } from 'zod'
import { detectors, seed } from '../detectors/index.ts'
import { derivedFeature, featureName, habituation, maxDerived, smoothing } from './derived.ts'
import { reading } from './reading.ts'
import { columnName, modelName, rows, source, window } from './source.ts'

export const roles = {
  timestamp: columnName
    .optional()
    .describe('Column with the time of the observation; by default the only timestamp column.'),
  entity: columnName.optional().describe('Column that names the host, pod or service.'),
  label: columnName
    .optional()
    .describe('Column that marks known anomalies: true, false, 1, 0 or null. Never trained on.'),
}

/** The wish that detector, derived features and threshold be chosen. */
const autoDetector = z.strictObject({ type: z.literal('auto'), seed }).meta({
  title: 'Auto',
  description:
    'Detector, derived features and threshold are chosen from the shape of the telemetry, never from labels; detector.choice of the version says what and why.',
  examples: [{ type: 'auto', seed: 42 }],
})

/** The settings of whichever detectors are there. */
export const detectorSettings = z.discriminatedUnion('type', [
  ...[...detectors.values()].map((detector) => detector.params),
  autoDetector,
] as unknown as [DetectorSchema, ...DetectorSchema[]])

/** What every detector's settings have in common; the rest is the detector's own business. */
type DetectorSchema = z.ZodObject<{ type: z.ZodLiteral<string>; seed: z.ZodOptional<z.ZodInt> }, z.core.$loose>

const timeFeature = z.enum(['hour', 'dayOfWeek'])

export const threshold = z
  .union([
    z.literal('auto'),
    z.strictObject({ contamination: z.number().gt(0).lt(0.5) }),
    z.strictObject({ value: z.number().min(0).max(1) }),
  ])
  .describe('Share of the training rows to flag, "auto" for the line at 0.5 of the paper, or a score.')

/** Versions that stay unless `keep` says otherwise: some weeks of nightly trainings. */
export const defaultKeep = 20

export const trainSettings = z.strictObject({
  model: modelName,
  rows: rows.optional(),
  source: source.optional(),
  window: window.optional(),
  ...roles,
  ...reading,
  features: z
    .array(z.union([columnName, derivedFeature]))
    .min(1)
    .max(4096)
    .refine((given) => new Set(given.map(featureName)).size === given.length, 'must not name a feature twice')
    .refine(
      (given) => given.filter((feature) => typeof feature !== 'string').length <= maxDerived,
      `must not have more than ${maxDerived} derived features`,
    )
    .optional()
    .describe(
      'What to learn from: columns, and features derived from the trailing rows of each entity; by default every numeric or boolean column without a role.',
    ),
  timeFeatures: z
    .union([
      z.literal('auto'),
      z
        .array(timeFeature)
        .max(2)
        .refine((names) => new Set(names).size === names.length, 'must not repeat'),
    ])
    .optional()
    .describe(
      'Time context. "auto", the default: hour when training spans at least 2 days, dayOfWeek when at least 14.',
    ),
  timeZone: z.string().min(1).max(64).optional().describe('IANA time zone of the time context, by default UTC.'),
  missing: z
    .enum(['reject', 'median', 'skip'])
    .optional()
    .describe('What becomes of rows with null, NaN or infinite values; by default reject.'),
  serve: z.boolean().optional().describe('Whether the new version serves at once; by default true.'),
  keep: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe(
      `How many versions of the model stay, the new one among them: older ones are removed for good, but none that serves or is in use. By default ${defaultKeep}; 0 keeps all.`,
    ),
  detector: detectorSettings.optional(),
  perEntity: z
    .boolean()
    .optional()
    .describe(
      'Whether each entity with enough rows gets a model of its own, beside one for all others; needs entity. By default false.',
    ),
  guards: z
    .boolean()
    .optional()
    .describe(
      'Whether rows with a value outside the range seen in training, or in a feature that was constant there, are raised; by default true.',
    ),
  threshold: threshold.optional(),
  smoothing: smoothing.optional(),
  habituation: habituation.optional(),
})

export type TrainSettings = z.infer<typeof trainSettings>
