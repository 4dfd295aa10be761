/** The version document: everything that is known about one trained version, as `GET` shows it. */
import { z } from 'zod'
import { derivedFacts, habituationDocument, smoothingDocument } from './derived.ts'
import { readingOfVersion } from './reading.ts'
import { modelName, window } from './source.ts'
import { roles as roleSettings, threshold } from './train.ts'

const warning = z
  .looseObject({ code: z.string(), message: z.string(), columns: z.array(z.string()).optional() })
  .meta({ id: 'Warning' })
export type Warning = z.infer<typeof warning>

const roles = z.object(
  Object.fromEntries(Object.keys(roleSettings).map((role) => [role, z.string().nullable()])) as Record<
    keyof typeof roleSettings,
    z.ZodNullable<z.ZodString>
  >,
)
export type Roles = z.infer<typeof roles>

const timeContextLanes = ['hour_sin', 'hour_cos', 'day_of_week_sin', 'day_of_week_cos'] as const

/** What a feature looked like in training; over the finite values. The quantiles come from at most 65,536 rows. */
const featureProfile = z
  .object({
    finite: z.int(),
    missing: z.int().describe('Values that were null or NaN.'),
    infinite: z.int(),
    min: z.number().nullable(),
    max: z.number().nullable(),
    mean: z.number().nullable(),
    std: z.number().nullable(),
    quantiles: z
      .object({
        p01: z.number(),
        p05: z.number(),
        p25: z.number(),
        p50: z.number(),
        p75: z.number(),
        p95: z.number(),
        p99: z.number(),
      })
      .nullable(),
    constant: z.boolean().describe('Constant in training: kept out of every split.'),
    nearConstant: z
      .boolean()
      .optional()
      .describe('The same value from the 1st to the 99th percentile, but not in all rows.'),
  })
  .meta({ id: 'FeatureProfile' })
export type FeatureProfile = z.infer<typeof featureProfile>

const feature = z.discriminatedUnion('kind', [
  z.object({ name: z.string(), kind: z.enum(['number', 'boolean']), type: z.string(), profile: featureProfile }),
  z.object({ name: z.string(), ...derivedFacts, profile: featureProfile }),
  z.object({
    name: z.string(),
    kind: z.literal('timeContext'),
    timeContext: z.enum(timeContextLanes),
    profile: featureProfile,
  }),
])
export type Feature = z.infer<typeof feature>

/** Something that was chosen because the request left it open. */
const choice = z.object({ what: z.string(), why: z.string() })
export type Choice = z.infer<typeof choice>

export const versionDocument = z
  .object({
    model: modelName,
    version: z.int().min(1),
    createdAt: z.string(),
    software: z.string(),
    detector: z.looseObject({
      type: z.string(),
      settings: z.looseObject({}).describe('As asked for, defaults included.'),
      effective: z.looseObject({}).describe('As used; includes the seed.'),
      choice: z.array(choice).optional().describe('With the detector auto: what was chosen, and why.'),
      shape: z.looseObject({}).describe('What was built: bytes, and for a forest trees, nodes, leaves and depth.'),
    }),
    features: z.array(feature).describe('In the order of the feature matrix.'),
    roles,
    reading: readingOfVersion,
    entities: z
      .array(z.string())
      .optional()
      .describe(
        'The names of the entities of the training, where there are at most 1,000: a scored file tells which of them are absent.',
      ),
    timeContext: z.object({
      features: z.array(z.enum(['hour', 'dayOfWeek'])),
      timeZone: z.string(),
      encoding: z.string(),
      zoneTable: z.string().optional().describe('Release of the zone table that the offsets were taken from.'),
      leftOut: z.array(z.object({ feature: z.enum(['hour', 'dayOfWeek']), reason: z.string() })),
      transitions: z
        .object({ utc: z.array(z.number()), offset: z.array(z.number()) })
        .nullable()
        .describe('From utc[i] (epoch seconds) on, local time is UTC + offset[i] seconds.'),
    }),
    missing: z.object({
      rule: z.enum(['reject', 'median', 'skip']),
      fill: z.array(z.number()).nullable().describe('Training median per feature, with the rule median.'),
    }),
    threshold: z.object({
      value: z.number(),
      rule: threshold,
      exact: z
        .boolean()
        .describe(
          'False when many scores could not be looked at twice: the threshold is then at most 1/16384 too high.',
        ),
      flaggedRows: z.int(),
      flaggedShare: z.number().describe('Share of the training rows that lie above the threshold.'),
    }),
    guards: z
      .object({
        level: z.number().describe('The threshold: one whole range outside adds as much as it takes to be flagged.'),
        derived: z.literal(false).optional().describe('Derived features are not guarded; absent where they are.'),
      })
      .nullable()
      .optional()
      .describe(
        'Rows with a value outside the min and max of its feature are raised; null when that was switched off. Absent in versions made before there were guards.',
      ),
    perEntity: z
      .object({
        entities: z.int().describe('Entities that have a model of their own.'),
        others: z.int().describe('Entities of the training without one: the shared model scores their rows.'),
        leastRows: z.int().describe('Usable rows that a model of its own needs.'),
        sampleRows: z.int().describe('Rows of an entity that its model is fitted from, at most.'),
        bytes: z
          .object({ total: z.int(), mean: z.int(), most: z.int() })
          .describe('Of the own models in the artefact: all together, on average, and the largest.'),
        names: z.array(z.string()).describe('The first of the entities with a model of their own.'),
        namesLeftOut: z.int(),
      })
      .optional()
      .describe('With a model per entity. detector.shape is that of the shared model then.'),
    smoothing: smoothingDocument,
    habituation: habituationDocument,
    scores: z.object({
      bins: z.int(),
      counts: z.array(z.int()).describe('Training scores in equal bins over [0, 1].'),
    }),
    training: z.object({
      source: z.object({
        kind: z.enum(['rows', 'path', 'upload']),
        format: z.string(),
        files: z.array(z.string()),
        bytes: z.int().nullable(),
        sha256: z.string().nullable(),
      }),
      fingerprint: z
        .string()
        .describe(
          'SHA-256 over what training saw: names, counts, profile and samples. The same for the same telemetry in any format.',
        ),
      rows: z.int().describe('Rows of the source.'),
      window: window.nullable(),
      rowsInWindow: z.int(),
      rowsUsed: z.int(),
      rowsLeftOut: z.int().describe('Rows in the window with missing or non-finite values that were left out.'),
      rowsFilled: z.int(),
      rowsWithoutHistory: z
        .int()
        .optional()
        .describe('Rows left out because a derived feature was not known: too little history, or a gap in it.'),
      rowsOutOfOrder: z
        .int()
        .optional()
        .describe(
          'Rows left out because they came after a later row of their entity, which derived features need in order.',
        ),
      from: z.string().nullable(),
      to: z.string().nullable(),
      seconds: z.number(),
    }),
    payload: z.object({ bytes: z.int(), sha256: z.string() }),
    warnings: z.array(warning),
  })
  .meta({ id: 'ModelVersion' })

export type VersionDocument = z.infer<typeof versionDocument>

/** Why a version is gone, in the words of `deepwatch_versions_removed_total`: somebody said so, or newer ones took its place. */
export const removalReasons = ['deleted', 'expired'] as const
export type RemovalReason = (typeof removalReasons)[number]

export const modelSummary = z
  .object({
    name: modelName,
    versions: z.array(z.int()),
    newest: z.int(),
    serving: z.int().nullable().describe('The version that scores when none is named.'),
    quarantined: z.array(z.int()).describe('Versions whose files are damaged or newer than this software.'),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .meta({ id: 'Model' })

export const modelList = z
  .object({
    models: z.array(modelSummary),
    next: z.string().nullable().describe('Give it as after for the next page.'),
  })
  .meta({ id: 'ModelList' })

const place = { id: z.int(), depth: z.int() }
const halves = { threshold: z.number(), left: z.int(), right: z.int(), size: z.int() }
const treeNode = z.union([
  z.object({ ...place, feature: z.string(), ...halves }),
  z.object({
    ...place,
    cut: z
      .array(z.object({ feature: z.string(), weight: z.number() }))
      .describe('A split through several features: a row goes left when the sum of weight times value <= threshold.'),
    ...halves,
  }),
  z.object({ ...place, size: z.int(), pathLength: z.number() }),
])

export const tree = z
  .object({
    model: modelName,
    version: z.int(),
    index: z.int(),
    entity: z.string().optional().describe('The entity whose model the tree is of; absent for the shared one.'),
    nodes: z.array(treeNode).describe('In preorder. A row goes left when its value <= threshold.'),
  })
  .meta({ id: 'Tree' })
