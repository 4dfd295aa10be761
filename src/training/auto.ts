/**
 * What `"detector": {"type": "auto"}` chooses: detector, derived features and threshold, by one rule from the shape of the
 * telemetry. Labels are never looked at, and the rule is the same for every source. bench/README.md has what it rests on.
 */
import { type DetectorParams, detectors } from '../detectors/index.ts'
import type { Derive } from '../kernels/history/index.ts'
import { type Choice, type DerivedFeature, maxDerived } from '../schemas/index.ts'

export interface TelemetryShape {
  readonly columns: readonly string[]
  readonly hasTimestamp: boolean
  readonly rows: number
  /** Share of the steps from row to row of an entity that take no time; null when unknown. */
  readonly tied: number | null
  /** The caller named derived features, or none can be made. */
  readonly ownDerived: boolean
}

/** What was chosen. `derived` come behind what the caller named. */
export interface AutoPlan {
  readonly detector: DetectorParams
  readonly derived: readonly DerivedFeature[]
  readonly threshold: { readonly contamination: number } | { readonly value: number }
  /** Whether guards watch what is derived, too. */
  readonly guardsDerived: boolean
  /** Null where the score is not calibrated. */
  readonly habituation: { readonly window: number } | null
  readonly choice: readonly Choice[]
}

/** With fewer rows none can be held back to calibrate the detectors. */
const minRows = 128
/** With fewer columns there is hardly a relation between them to learn. */
const minColumns = 3
/** The covariance of more features takes too long; the time context takes up to 4. */
const maxFeatures = 1024 - 4
/** Above this share of rows without enough history the windows cost more than they give. */
export const maxWithoutHistory = 0.1
/** A larger share of steps that take no time means several hosts in one series. */
const maxTied = 0.5
/** Of a calibrated score: exceeded by one held-back row in 200. */
const calibratedLine = 0.995
const contamination = 0.01
/** A state that lasts for half of these rows is no anomaly any more. */
const habituationRows = 1000

type Derived = readonly [derive: Derive, window: number]
/** What is derived of every column, the longest list first. On hosts no single window length works everywhere, two together do. */
const derivesInTurn: readonly (readonly Derived[])[] = [
  [
    ['diff', 1],
    ['distance', 6],
    ['rollingStd', 6],
    ['distance', 30],
    ['rollingStd', 30],
  ],
  [
    ['diff', 1],
    ['distance', 12],
    ['rollingStd', 12],
  ],
  [
    ['distance', 12],
    ['rollingStd', 12],
  ],
  [['distance', 12]],
]

/** The first that fits; for single metrics, where a forest is alone, one window is enough. */
function derivesOf(columns: number): readonly Derived[] | undefined {
  const inTurn = columns < minColumns ? derivesInTurn.slice(1) : derivesInTurn
  return inTurn.find(({ length }) => length * columns <= maxDerived)
}

/** The rule. `withoutWindows` says why there can be none, where reading the rows has shown it. */
export function chooseAuto(shape: TelemetryShape, seed: number | undefined, withoutWindows?: string): AutoPlan {
  const { columns, hasTimestamp, rows } = shape
  const derives = derivesOf(columns.length)
  const obstacle = withoutWindows ?? obstacleTo(shape, derives)
  const derived =
    obstacle === null && derives
      ? columns.flatMap((column) => derives.map(([derive, window]) => ({ column, derive, window })))
      : []
  const isEnsemble =
    hasTimestamp && rows >= minRows && columns.length >= minColumns && columns.length + derived.length <= maxFeatures
  const settings = isEnsemble
    ? {
        type: 'ensemble',
        members: ['isolation-forest', 'mahalanobis'],
        ...(derived.length > 0 && { combine: 'mean', views: true }),
      }
    : { type: 'extended-isolation-forest', columns: 1, trees: 300, featureWeights: 'mixed' }
  return {
    detector: detectors.get(settings.type)!.params.parse({ ...settings, ...(seed !== undefined && { seed }) }),
    derived,
    threshold: isEnsemble ? { value: calibratedLine } : { contamination },
    guardsDerived: isEnsemble,
    habituation: isEnsemble ? { window: habituationRows } : null,
    choice: [
      isEnsemble
        ? {
            what: `ensemble of isolation-forest and mahalanobis${derived.length > 0 ? ', each on all features, on what is measured and on what is derived, as their mean' : ''}`,
            why: `${rows} rows with a timestamp: the forest sees single metrics that stand out, the distance metrics that no longer move together.${derived.length > 0 ? ' What is measured shows states that last, what is derived shows changes, whatever the level.' : ''}`,
          }
        : {
            what: 'extended-isolation-forest with 300 trees and one column a split, drawn by kurtosis in every second tree',
            why: `${ensembleObstacle(shape)}: a forest that counts distance from the trained range and looks more often at features with a few rows far outside ranks such rows best.`,
          },
      derived.length > 0
        ? {
            what: `${derived.length} derived features, of ${columns.length} columns each ${derives!.map(([derive, window]) => `${derive} over ${window}`).join(', ')} rows`,
            why: `A change shows itself against the rows before. Many columns get fewer of them: a model has at most ${maxDerived}.`,
          }
        : { what: 'no derived features', why: `${obstacle}.` },
      isEnsemble
        ? {
            what: `threshold ${calibratedLine}, unless one is given`,
            why: `The score is calibrated by rows that nothing was fitted to: about ${Math.round(1 / (1 - calibratedLine))} of them are as calm for each one above.`,
          }
        : {
            what: `contamination ${contamination}, unless a threshold is given`,
            why: 'The score of a forest is not calibrated; this is the default of every detector.',
          },
      ...(!isEnsemble && derived.length > 0
        ? [
            {
              what: 'guards on what is measured alone',
              why: 'Of one metric, what is derived stays outside its trained range for a window after every spike.',
            },
          ]
        : []),
      ...(isEnsemble
        ? [
            {
              what: `habituation over ${habituationRows} rows, unless a contamination is given`,
              why: `A state that lasts for ${habituationRows / 2} rows has been reported, and would hide what is new in it: only rows four times as rare as half of the last ${habituationRows} are flagged.`,
            },
          ]
        : []),
    ],
  }
}

function obstacleTo(
  { columns, hasTimestamp, rows, tied, ownDerived }: TelemetryShape,
  derives?: readonly Derived[],
): string | null {
  if (ownDerived) return 'The request names derived features itself'
  if (!hasTimestamp) return 'Without a timestamp rows have no order'
  if (rows < minRows) return `${rows} rows are few; windows need ${minRows}`
  if (derives === undefined)
    return `${columns.length} columns are more than the ${maxDerived} derived features of a model`
  if (tied !== null && tied > maxTied)
    return `${Math.round(100 * tied)} % of the rows have the time of the row before: they seem to be several entities, and none is named`
  return null
}

function ensembleObstacle({ hasTimestamp, rows, columns }: TelemetryShape): string {
  if (!hasTimestamp) return 'There is no timestamp'
  if (rows < minRows) return `${rows} rows are few`
  if (columns.length < minColumns) return `${columns.length} columns have hardly anything in common that could break`
  return `${columns.length} columns are many`
}
