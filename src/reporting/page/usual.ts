/** The charts of most reports, for compiling them when the package is built. */
import { exampleVersion, type ReportAggregate, type ReportFacts, type VersionDocument } from '../../schemas/index.ts'
import { chartOutline } from '../charts/index.ts'
import { renderReport } from './render.ts'

const document = exampleVersion as VersionDocument
const hours = Array.from({ length: 168 }, (_, hour) => ({ hour, flagged: hour % 5 }))

/** Facts of a report with every section; more stretches than would be drawn as single points. */
function factsOf(unit: 'time' | 'rows', isLabelled: boolean): ReportFacts {
  const aggregate: ReportAggregate = {
    ...{ rows: 1000, unscored: 0, flagged: 10, threshold: 0.6, from: 0, to: 1e12 },
    scores: [
      { from: 0.3, to: 0.6, rows: 990, flagged: false },
      { from: 0.6, to: 0.9, rows: 10, flagged: true },
    ],
    labels: {
      confusion: { tp: 5, fp: 5, tn: 985, fn: 5 },
      unlabelled: 0,
      curve: [{ recall: 1, precision: 0.1 }],
    },
    course: {
      unit,
      first: 0,
      width: 1e9,
      stretches: Array.from({ length: 100 }, (_, index) => {
        return { index, rows: 10, flagged: index % 2, labelled: isLabelled ? index % 2 : 0, highest: 0.7, mean: 0.5 }
      }),
    },
    hours,
    features: document.features.map((_, feature) => {
      return { feature, counts: Array(34).fill(1), missing: 0, belowUsual: 0, aboveUsual: 0 }
    }),
    foldedFeatures: 0,
    top: [],
    entities: {
      named: [{ entity: 'one', rows: 100, flagged: 10 }],
      flaggedNotNamed: 0,
      others: 0,
      manyOthers: false,
    },
  }
  return { ...withoutCounts, aggregate }
}

/** A version whose counts were not kept. */
const withoutCounts: ReportFacts = {
  subject: 'source',
  document,
  source: { kind: 'path', files: [] },
  aggregate: null,
  profiles: [],
  zone: { utc: [0], offset: [0] },
  evaluation: null,
  gaps: [],
}

/** The outlines of usual charts, each once: in time and by rows, with labels and without, in every place and width. */
export async function usualOutlines(): Promise<ReadonlySet<string>> {
  const outlines = new Set<string>()
  const units = ['time', 'rows'] as const
  const usual = units.flatMap((unit) => [factsOf(unit, false), factsOf(unit, true)])
  for (const facts of [...usual, withoutCounts]) {
    for (const format of ['html', 'svg'] as const) {
      await renderReport(facts, format, async (chart) => {
        outlines.add(chartOutline(chart).text)
        return ''
      })
    }
  }
  return outlines
}
