/**
 * Reporting: a picture that explains itself, of a source that was scored or of what a training saw. Everything is counted
 * before it is drawn, so a report of ten million rows weighs what one of ten thousand does.
 */
import { transitionsWithin } from '../aggregate/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { ShownVersion } from '../registry/index.ts'
import type {
  Evaluation,
  ReportAggregate,
  ReportFacts,
  ReportFormat,
  ReportSettings,
  VersionDocument,
} from '../schemas/index.ts'
import type { Scoring, TableRun } from '../scoring/index.ts'
import type { Source } from '../sources/index.ts'
import { zoneTransitions } from '../time/index.ts'
import type { Work } from '../work.ts'
import type { Drawing } from './drawing.ts'
import type { KeptReports } from './kept-reports.ts'
import { pagePolicy } from './page/index.ts'

export interface ReportingParts {
  readonly scoring: Scoring
  readonly drawing: Drawing
  readonly kept: KeptReports
  /** A version document by name and number as an address gives them. */
  readonly version: (model: string, version: string) => ShownVersion
}

/** A report that is complete but for its form. It can be drawn as often as wanted, also when its source is closed. */
export interface Report {
  readonly model: string
  readonly version: number
  readonly threshold: number
  readonly facts: ReportFacts
  render(format: ReportFormat): Promise<RenderedReport>
}

interface RenderedReport {
  readonly body: Uint8Array
  readonly mediaType: string
  /** What the picture may do in a browser, as a `Content-Security-Policy`. */
  readonly contentPolicy: string
}

export interface Reporting {
  /** Whether a report would be refused now. */
  readonly saturated: boolean
  /**
   * Scores a source and reports on it; judges the flags where it has labels. Nothing is counted into the metrics.
   * Errors: those of `Scoring.scoreTable`, of reading the source, and `type_mismatch` for a label that is none.
   */
  ofSource(settings: Omit<ReportSettings, 'format'>, upload: Source | null, work: Work): Promise<Report>
  /** Reports on a scoring under way; the caller closes it. Errors: as `ofSource`. */
  ofRun(run: TableRun, work: Work): Promise<Report>
  /** The chart alone of a scoring under way, which needs no judgement of the flags. Errors: as `ofSource`. */
  chartOf(run: TableRun, work: Work): Promise<RenderedReport>
  /** Loads what drawing needs, for a report that will be asked for soon. */
  warm(): void
  /** Reports on what a training saw. Errors: those of looking a version up. */
  ofVersion(model: string, version: string, work: Work): Promise<Report>
}

/** Labelled rows a report ranks: sorting more would hold up everybody else for seconds. Counts and curve know no such bound. */
const maxRanked = 2_000_000

const forms: Readonly<Record<ReportFormat, { readonly mediaType: string; readonly contentPolicy: string }>> = {
  html: { mediaType: 'text/html; charset=utf-8', contentPolicy: `${pagePolicy}; frame-ancestors 'none'` },
  svg: { mediaType: 'image/svg+xml', contentPolicy: "default-src 'none'; frame-ancestors 'none'; sandbox" },
  png: { mediaType: 'image/png', contentPolicy: "default-src 'none'; frame-ancestors 'none'" },
}

export function createReporting({ scoring, drawing, kept, version: findVersion }: ReportingParts): Reporting {
  const report = (facts: ReportFacts, { signal }: Work): Report => {
    const { document, aggregate } = facts
    return {
      model: document.model,
      version: document.version,
      threshold: aggregate?.threshold ?? document.threshold.value,
      facts,
      render: async (format) => ({ body: await drawing.draw({ facts, format }, signal), ...forms[format] }),
    }
  }

  async function ofRun(run: TableRun, work: Work): Promise<Report> {
    drawing.warm()
    const aggregate = await run.aggregate()
    const { evaluation, gap } = await judge(run, aggregate)
    const found = await kept.read(keptFor(run.document))
    const profiles = typeof found === 'string' ? [] : found.profiles
    return report({ ...countsOf(run, aggregate), profiles, evaluation, gaps: gap === null ? [] : [gap] }, work)
  }

  return {
    get saturated() {
      return drawing.saturated
    },
    warm: drawing.warm,
    ofRun,
    async chartOf(run, work) {
      drawing.warm()
      const aggregate = await run.aggregate()
      return report({ ...countsOf(run, aggregate), profiles: [], evaluation: null, gaps: [] }, work).render('png')
    },
    async ofSource(settings, upload, work) {
      drawing.warm()
      const run = await scoring.scoreTable(settings, upload, work, { isReport: true })
      try {
        return await ofRun(run, work)
      } finally {
        await run.close()
      }
    },
    async ofVersion(model, number, work) {
      const { serving: _, ...document } = findVersion(model, number)
      const found = await kept.read(keptFor(document))
      const { aggregate, profiles } = typeof found === 'string' ? { aggregate: null, profiles: [] } : found
      const { kind, files } = document.training.source
      return report(
        {
          subject: 'version',
          document: shown(document),
          source: { kind, files: files.slice(0, 3) },
          aggregate,
          profiles,
          zone: zoneOf(document, aggregate),
          evaluation: null,
          gaps: [aggregate === null ? lacking(found) : labelGap(document.roles.label !== null, aggregate)].filter(
            (gap) => gap !== null,
          ),
        },
        work,
      )
    },
  }
}

/** What is known of a scoring once it is counted. */
function countsOf({ document, source: { kind, files } }: TableRun, aggregate: ReportAggregate) {
  return {
    subject: 'source' as const,
    document: shown(document),
    source: { kind, files: files.slice(0, 3) },
    aggregate,
    zone: zoneOf(document, aggregate),
  }
}

function lacking(found: unknown): string {
  const why =
    found === 'damaged'
      ? 'What was kept of this training for its report is damaged.'
      : 'Nothing but the version document was kept of this training.'
  return `${why} The course of the score, the most anomalous rows, the hours and what the flagged rows have in common are not shown; training again, or a report of a source, shows them.`
}

/** Why flags are not judged although a label column is there; null when they are. */
function labelGap(hasLabel: boolean, { labels }: ReportAggregate): string | null {
  if (!hasLabel) return null
  if (labels === null) return 'No scored row has a label: the flags are not judged.'
  const { tp, fp, tn, fn } = labels.confusion
  if (tp + fn === 0) return 'No labelled row is an anomaly: there is nothing to find, so the flags are not judged.'
  return fp + tn === 0 ? 'Every labelled row is an anomaly: the flags are not judged.' : null
}

/** The figures of the evaluation where there are labels of both kinds; else why there are none. */
async function judge(
  run: TableRun,
  aggregate: ReportAggregate,
): Promise<{ evaluation: Evaluation | null; gap: string | null }> {
  const gap = labelGap(run.roles.label !== null, aggregate)
  if (gap !== null || aggregate.labels === null) return { evaluation: null, gap }
  const tooMany = 'There are too many labelled rows to rank them: figures beside those of chance are not shown.'
  const { tp, fp, tn, fn } = aggregate.labels.confusion
  if (tp + fp + tn + fn > maxRanked) return { evaluation: null, gap: tooMany }
  try {
    return { evaluation: await run.evaluate(), gap: null }
  } catch (error) {
    const isTooLarge = error instanceof DeepWatchError && error.code === 'evaluation_too_large'
    if (isTooLarge) return { evaluation: null, gap: tooMany }
    throw error
  }
}

function keptFor({ model, version, payload }: VersionDocument) {
  return { model, version, payload: payload.sha256 }
}

/** The document without what no report shows and would only be copied. */
function shown(document: VersionDocument): VersionDocument {
  const { timeContext, warnings } = document
  return {
    ...document,
    timeContext: { ...timeContext, transitions: null },
    warnings: warnings.slice(0, 50).map((warning) => ({ ...warning, columns: warning.columns?.slice(0, 1000) ?? [] })),
  }
}

function zoneOf({ timeContext }: VersionDocument, aggregate: ReportAggregate | null) {
  if (aggregate?.from == null || aggregate.to === null) return { utc: [0], offset: [0] }
  const transitions = timeContext.transitions ?? zoneTransitions(timeContext.timeZone)
  return transitionsWithin(transitions, aggregate.from, aggregate.to)
}
