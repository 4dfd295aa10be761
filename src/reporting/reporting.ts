/** A picture that explains itself, of a source that was scored or of what a training saw, from counts of bounded size. */
import { transitionsWithin } from '../aggregate/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { ShownVersion } from '../registry/index.ts'
import type { ReportAggregate, ReportFacts, ReportFormat, ReportSettings, VersionDocument } from '../schemas/index.ts'
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

type ShownSource = Pick<ReportFacts['source'], 'kind' | 'files'>
type Told = Pick<ReportFacts, 'subject' | 'aggregate' | 'profiles' | 'evaluation' | 'gaps'>

interface RenderedReport {
  readonly body: Uint8Array
  readonly mediaType: string
  /** What the picture may do in a browser, as a `Content-Security-Policy`. */
  readonly contentPolicy: string
}

/** Labelled rows a report ranks: sorting more would hold up everybody else for seconds. Counts and curve know no such bound. */
const maxRanked = 2_000_000

const forms: Readonly<Record<ReportFormat, { readonly mediaType: string; readonly contentPolicy: string }>> = {
  html: { mediaType: 'text/html; charset=utf-8', contentPolicy: `${pagePolicy}; frame-ancestors 'none'` },
  svg: { mediaType: 'image/svg+xml', contentPolicy: "default-src 'none'; frame-ancestors 'none'; sandbox" },
  png: { mediaType: 'image/png', contentPolicy: "default-src 'none'; frame-ancestors 'none'" },
}

export function createReporting({ scoring, drawing, kept, version: findVersion }: ReportingParts) {
  function report(document: VersionDocument, { kind, files }: ShownSource, told: Told, { signal }: Work): Report {
    const { aggregate } = told
    const source = { kind, files: files.slice(0, 3) }
    const facts: ReportFacts = { ...told, document: shown(document), source, zone: zoneOf(document, aggregate) }
    return {
      model: document.model,
      version: document.version,
      threshold: aggregate?.threshold ?? document.threshold.value,
      facts,
      render: async (format) => ({ body: await drawing.draw({ facts, format }, signal), ...forms[format] }),
    }
  }

  /** Reports on a scoring under way; the caller closes it. Errors: as `ofSource`. */
  async function ofRun(run: TableRun, work: Work): Promise<Report> {
    drawing.warm()
    const aggregate = await run.aggregate()
    const judged = await judge(run, aggregate)
    const { profiles } = await keptOf(run.document)
    return report(run.document, run.source, { subject: 'source', aggregate, profiles, ...judged }, work)
  }

  async function keptOf({ model, version, payload }: VersionDocument) {
    const found = await kept.read({ model, version, payload: payload.sha256 })
    if (typeof found !== 'string') return { ...found, isDamaged: false }
    return { aggregate: null, profiles: [], isDamaged: found === 'damaged' }
  }

  return {
    /** Whether a report would be refused now. */
    get saturated(): boolean {
      return drawing.saturated
    },
    /** Loads what drawing needs, for a report that will be asked for soon. */
    warm: drawing.warm,
    ofRun,
    /** The chart alone of a scoring under way, which needs no judgement of the flags. Errors: as `ofSource`. */
    async chartOf(run: TableRun, work: Work): Promise<RenderedReport> {
      drawing.warm()
      const aggregate = await run.aggregate()
      const told: Told = { subject: 'source', aggregate, profiles: [], evaluation: null, gaps: [] }
      return report(run.document, run.source, told, work).render('png')
    },
    /**
     * Scores a source and reports on it; judges the flags where it has labels. Nothing is counted into the metrics.
     * Errors: those of `Scoring.scoreTable`, of reading the source, and `type_mismatch` for a label that is none.
     */
    async ofSource(settings: Omit<ReportSettings, 'format'>, upload: Source | null, work: Work): Promise<Report> {
      drawing.warm()
      const run = await scoring.scoreTable(settings, upload, work, { isReport: true })
      try {
        return await ofRun(run, work)
      } finally {
        await run.close()
      }
    },
    /** Reports on what a training saw. Errors: those of looking a version up. */
    async ofVersion(model: string, version: string, work: Work): Promise<Report> {
      const { serving: _, ...document } = findVersion(model, version)
      const { aggregate, profiles, isDamaged } = await keptOf(document)
      const gaps = aggregate === null ? [lacking(isDamaged)] : labelGaps(document.roles.label !== null, aggregate)
      const told: Told = { subject: 'version', aggregate, profiles, evaluation: null, gaps }
      return report(document, document.training.source, told, work)
    },
  }
}

function lacking(isDamaged: boolean): string {
  const why = isDamaged
    ? 'What was kept of this training for its report is damaged.'
    : 'Nothing but the version document was kept of this training.'
  return `${why} The course of the score, the most anomalous rows, the hours and what the flagged rows have in common are not shown; training again, or a report of a source, shows them.`
}

/** Why flags are not judged although a label column is there; nothing when they are. */
function labelGaps(hasLabel: boolean, { labels }: ReportAggregate): string[] {
  if (!hasLabel) return []
  if (labels === null) return ['No scored row has a label: the flags are not judged.']
  const { tp, fp, tn, fn } = labels.confusion
  if (tp + fn === 0) return ['No labelled row is an anomaly: there is nothing to find, so the flags are not judged.']
  return fp + tn === 0 ? ['Every labelled row is an anomaly: the flags are not judged.'] : []
}

/** The figures of the evaluation where there are labels of both kinds; else why there are none. */
async function judge(run: TableRun, aggregate: ReportAggregate): Promise<Pick<ReportFacts, 'evaluation' | 'gaps'>> {
  const gaps = labelGaps(run.roles.label !== null, aggregate)
  if (gaps.length > 0 || aggregate.labels === null) return { evaluation: null, gaps }
  const tooMany = 'There are too many labelled rows to rank them: figures beside those of chance are not shown.'
  const { tp, fp, tn, fn } = aggregate.labels.confusion
  if (tp + fp + tn + fn > maxRanked) return { evaluation: null, gaps: [tooMany] }
  try {
    return { evaluation: await run.evaluate(), gaps }
  } catch (error) {
    if (error instanceof DeepWatchError && error.code === 'evaluation_too_large')
      return { evaluation: null, gaps: [tooMany] }
    throw error
  }
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
