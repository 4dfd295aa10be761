/**
 * Every metric of the service, in one table. Worker threads never touch metrics: what they know comes
 * back in their answers. Labels come from closed sets; models past the cap are folded into `other`.
 */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  type OpenMetricsContentType,
  type PrometheusContentType,
  Registry,
} from 'prom-client'
import { type JobState, jobStates, type UnscoredReason, unscoredReasons } from '../schemas/index.ts'
import { Tally, TallyHistogram } from './histogram.ts'

/** What the metrics read at the moment of a scrape. */
export interface Observed {
  readonly models: () => number
  readonly poolQueue: () => number
  readonly poolUtilization: () => number
  readonly windows?: () => number
  /** Null before there are jobs to count. */
  readonly jobs?: () => Readonly<Record<JobState, number>> | null
}

/** Upper bounds of the buckets of `deepwatch_anomaly_score`. Scores near 0.5 are usual, above 0.6 rare. */
const scoreBounds = [0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1]
const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const versionsPerModel = 5

/** Counts of one scored source, as `Metrics.scored` takes them. */
export interface ScoredCounts {
  readonly scored: number
  readonly anomalies: number
  readonly rejected: Readonly<Record<UnscoredReason, number>>
  readonly tally: ScoreTally
  readonly kernelSeconds: number
  readonly totalSeconds: number
}

/** Scores of one source counted by bucket; a million `observe` calls would cost more than the scoring. */
export class ScoreTally extends Tally {
  constructor() {
    super(scoreBounds)
  }

  /** Counts `rows` scores from the start of the array; NaN, an unscored row, is passed over. */
  addScores(scores: Float64Array, rows: number): void {
    this.observeAll(scores, rows)
  }
}

/** The labels of a version, and what was counted under them since the last scrape: prom-client makes a key of all labels to count anything. */
class VersionCounts {
  readonly labels: { readonly model: string; readonly version: string }
  rows = 0
  anomalies = 0

  constructor(model: string, version: string) {
    this.labels = { model, version }
  }
}

/** Keeps the model and version labels within their caps: the newest versions of the models that came first. */
class ModelLabels {
  readonly #versions = new Map<string, Map<number, VersionCounts>>()
  readonly #models: number

  constructor(models: number) {
    this.#models = models
  }

  /** The labels of a version that came into being; they exist from now on, where the caps leave room. */
  add(name: string, version: number): VersionCounts['labels'] {
    const known = this.#versions.get(name)
    const counts = new VersionCounts(name, String(version))
    if (!known) {
      if (this.#versions.size >= this.#models) return other
      this.#versions.set(name, new Map([[version, counts]]))
    } else if (!known.has(version) && (known.size < versionsPerModel || version > Math.min(...known.keys())))
      known.set(version, counts)
    return this.find(name, version)?.labels ?? this.folded(name)
  }

  /**
   * What a version is counted in, where it has labels of its own. Never new ones: an answer may end when its version is gone
   * already, and what was deleted does not come back.
   */
  find(name: string, version: number): VersionCounts | undefined {
    return this.#versions.get(name)?.get(version)
  }

  /** The labels under which all other versions of a model are counted. */
  folded(name: string): VersionCounts['labels'] {
    return this.has(name) ? { model: name, version: 'other' } : other
  }

  *counts(): Generator<VersionCounts> {
    for (const versions of this.#versions.values()) yield* versions.values()
  }

  /** Versions past the cap, oldest first; their series are to be removed. */
  surplus(name: string): number[] {
    const known = [...(this.#versions.get(name)?.keys() ?? [])].sort((a, b) => a - b)
    const gone = known.slice(0, Math.max(0, known.length - versionsPerModel))
    for (const version of gone) this.#versions.get(name)!.delete(version)
    return gone
  }

  forgetVersion(name: string, version: number): boolean {
    return this.#versions.get(name)?.delete(version) ?? false
  }

  forget(name: string): number[] {
    const versions = [...(this.#versions.get(name)?.keys() ?? [])]
    this.#versions.delete(name)
    return versions
  }

  has(name: string): boolean {
    return this.#versions.has(name)
  }
}

/** What models past the cap are folded into. */
const other: VersionCounts['labels'] = { model: 'other', version: 'other' }

export type Metrics = ReturnType<typeof createMetrics>

/**
 * Makes the metrics and the two registries that print them: Prometheus text and OpenMetrics, holding the
 * same metrics. `models` caps the model label. Nothing here is global: two services in one process do not share.
 */
export function createMetrics(options: { version: string; models: number; observed: Observed }) {
  const text = new Registry<PrometheusContentType>()
  const open = new Registry<OpenMetricsContentType>()
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const registers: Registry[] = [text as unknown as Registry]
  const labels = new ModelLabels(options.models)

  const buildInfo = new Gauge({
    name: 'deepwatch_build_info',
    help: 'Always 1; the labels say what runs',
    labelNames: ['version', 'node'],
    registers,
  })
  buildInfo.set({ version: options.version, node: process.version }, 1)

  const pairNames = ['model', 'version'] as const
  const rows = new Counter({
    name: 'deepwatch_rows_scored_total',
    help: 'Rows that were given a score',
    labelNames: pairNames,
    registers,
  })
  const anomalies = new Counter({
    name: 'deepwatch_anomalies_total',
    help: 'Rows whose score was above the threshold',
    labelNames: pairNames,
    registers,
  })
  const rejected = new Counter({
    name: 'deepwatch_rows_rejected_total',
    help: 'Rows that could not be scored',
    labelNames: ['model', 'reason'],
    registers,
  })
  const threshold = new Gauge({
    name: 'deepwatch_score_threshold',
    help: 'Threshold of a model version',
    labelNames: pairNames,
    registers,
  })
  const trained = new Gauge({
    name: 'deepwatch_model_trained_timestamp_seconds',
    help: 'When a model version was trained',
    labelNames: pairNames,
    registers,
  })
  const training = new Histogram({
    name: 'deepwatch_train_duration_seconds',
    help: 'Time a training took',
    buckets: durationBounds,
    registers,
  })
  const scoring = new TallyHistogram({
    name: 'deepwatch_score_duration_seconds',
    help: 'Time a scoring took, by stage',
    bounds: durationBounds,
  })
  text.registerMetric(scoring.asMetric())
  const [kernelTime, totalTime] = (['kernel', 'total'] as const).map((stage) =>
    scoring.open(stage, () => ({ stage })),
  ) as [Tally, Tally]
  const deaths = new Counter({
    name: 'deepwatch_reader_deaths_total',
    help: 'Reading processes that died or had to be killed at work',
    registers,
  })
  new Gauge({
    name: 'deepwatch_jobs',
    help: 'Jobs by state',
    labelNames: ['state'],
    registers,
    collect() {
      const counts = options.observed.jobs?.()
      for (const state of jobStates) this.set({ state }, counts?.[state] ?? 0)
    },
  })
  const evictions = new Counter({
    name: 'deepwatch_window_evictions_total',
    help: 'Windows of entities that had to make room for others',
    registers,
  })
  const http = new TallyHistogram({
    name: 'deepwatch_http_request_duration_seconds',
    help: 'Time a request took',
    bounds: durationBounds,
  })
  text.registerMetric(http.asMetric())
  const scores = new TallyHistogram({
    name: 'deepwatch_anomaly_score',
    help: 'Anomaly scores given, higher is stranger',
    bounds: scoreBounds,
  })
  text.registerMetric(scores.asMetric())

  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('deepwatch_models_loaded', 'Models in the registry', options.observed.models)
  gauge('deepwatch_pool_queue_size', 'Tasks that wait for a thread', options.observed.poolQueue)
  gauge(
    'deepwatch_window_entities',
    'Entities whose last window is kept, per model version',
    options.observed.windows ?? (() => 0),
  )
  gauge(
    'deepwatch_pool_utilization_ratio',
    'Share of the thread time of the pool that was used',
    options.observed.poolUtilization,
  )

  collectDefaultMetrics({ register: text as unknown as Registry })
  for (const { name } of text.getMetricsAsArray()) {
    const metric = text.getSingleMetric(name) as Metric
    // Printing OpenMetrics renames a counter for good: there it gets an object of its own over the same values.
    const renamed = { name: { value: name, writable: true } }
    open.registerMetric(metric instanceof Counter ? (Object.create(metric, renamed) as Metric) : metric)
  }

  /** What the last request was counted in: the next one is mostly like it. */
  let last = { route: '', method: '', status: 0, tally: new Tally(durationBounds) }

  const removePair = (model: string, version: number) => {
    for (const metric of [rows, anomalies, threshold, trained]) metric.remove({ model, version: String(version) })
  }

  return {
    /** Counters at 0 and gauges set, from the moment a version exists. `trainedAt` in epoch seconds. */
    modelAppeared(name: string, version: number, facts: { threshold: number; trainedAt: number }): void {
      const pair = labels.add(name, version)
      rows.inc(pair, 0)
      anomalies.inc(pair, 0)
      for (const reason of unscoredReasons) rejected.inc({ model: pair.model, reason }, 0)
      scores.open(pair.model, () => ({ model: pair.model }))
      if (pair.version !== 'other') {
        threshold.set(pair, facts.threshold)
        trained.set(pair, facts.trainedAt)
      }
      for (const gone of labels.surplus(name)) removePair(name, gone)
    },
    versionDisappeared(name: string, version: number): void {
      if (labels.forgetVersion(name, version)) removePair(name, version)
    },
    modelDisappeared(name: string): void {
      if (!labels.has(name)) return
      for (const version of labels.forget(name)) removePair(name, version)
      for (const reason of unscoredReasons) rejected.remove({ model: name, reason })
      scores.remove(name)
      for (const metric of [rows, anomalies]) metric.remove({ model: name, version: 'other' })
    },
    /** Counts one complete answer of `/score`. */
    scored(name: string, version: number, counts: ScoredCounts): void {
      const own = labels.find(name, version)
      const pair = own?.labels ?? labels.folded(name)
      if (own) {
        own.rows += counts.scored
        own.anomalies += counts.anomalies
      } else {
        rows.inc(pair, counts.scored)
        anomalies.inc(pair, counts.anomalies)
      }
      for (const reason of unscoredReasons) {
        const count = counts.rejected[reason]
        // A version that has labels of its own shows its counters since it appeared: adding nothing would only cost time.
        if (count > 0 || !own) rejected.inc({ model: pair.model, reason }, count)
      }
      scores.open(pair.model, () => ({ model: pair.model })).add(counts.tally)
      kernelTime.observe(counts.kernelSeconds)
      totalTime.observe(counts.totalSeconds)
    },
    trained(seconds: number): void {
      training.observe(seconds)
    },
    windowEvicted(): void {
      evictions.inc()
    },
    readerDied(): void {
      deaths.inc()
    },
    /** `route` is a template or `unmatched`, never an address. */
    answered(route: string, method: string, status: number, seconds: number): void {
      if (route !== last.route || method !== last.method || status !== last.status) {
        const known = methods.has(method) ? method : 'other'
        const tally = http.open(`${route} ${known} ${status}`, () => ({ route, method: known, status }))
        last = { route, method, status, tally }
      }
      last.tally.observe(seconds)
    },
    /** The exposition text of all metrics and its media type. */
    async print(format: 'text' | 'openmetrics'): Promise<{ body: string; mediaType: string }> {
      for (const counts of labels.counts()) {
        if (counts.rows > 0) rows.inc(counts.labels, counts.rows)
        if (counts.anomalies > 0) anomalies.inc(counts.labels, counts.anomalies)
        counts.rows = 0
        counts.anomalies = 0
      }
      const registry = format === 'text' ? text : open
      return { body: await registry.metrics(), mediaType: registry.contentType }
    },
  }
}
