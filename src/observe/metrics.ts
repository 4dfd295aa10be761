/** Every metric of the service. Labels come from closed sets: models past the cap are folded into `other`. */
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
import {
  type JobState,
  jobStates,
  type RemovalReason,
  removalReasons,
  type UnscoredReason,
  unscoredReasons,
} from '../schemas/index.ts'
import { zoneTable } from '../time/index.ts'
import { createModelLabels, type VersionLabels } from './model-labels.ts'
import { ScoreHistogram, type ScoreTally } from './score-histogram.ts'

/** What the metrics read at the moment of a scrape. */
export interface Observed {
  readonly models: () => number
  readonly poolQueue: () => number
  readonly poolUtilization: () => number
  readonly windows?: () => number
  /** Null before there are jobs to count. */
  readonly jobs?: () => Readonly<Record<JobState, number>> | null
}

/** Counts of one scored source, as `Metrics.scored` takes them. */
export interface ScoredCounts {
  readonly scored: number
  readonly anomalies: number
  readonly rejected: Readonly<Record<UnscoredReason, number>>
  readonly tally: ScoreTally
  readonly kernelSeconds: number
  readonly totalSeconds: number
}

const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const pairNames = ['model', 'version'] as const
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export type Metrics = ReturnType<typeof createMetrics>

/** Makes the metrics of one service, and prints them as Prometheus text or OpenMetrics. `models` caps the model label. */
export function createMetrics(options: { version: string; models: number; observed: Observed }) {
  const text = new Registry<PrometheusContentType>()
  const registers = [text as unknown as Registry]
  const ofModels = createModelMetrics(registers, options.models)
  const ofWork = createWorkMetrics(registers)
  observeState(registers, options.version, options.observed)
  collectDefaultMetrics({ register: text as unknown as Registry })
  const open = inOpenMetrics(text)
  return {
    ...ofModels,
    ...ofWork,
    /** The exposition text of all metrics and its media type. */
    async print(format: 'text' | 'openmetrics'): Promise<{ body: string; mediaType: string }> {
      const registry = format === 'text' ? text : open
      return { body: await registry.metrics(), mediaType: registry.contentType }
    },
  }
}

function createModelMetrics(registers: Registry[], models: number) {
  const labels = createModelLabels(models)
  const { counter, gauge, histogram } = makers(registers)
  const rows = counter('deepwatch_rows_scored_total', 'Rows that were given a score', pairNames)
  const anomalies = counter('deepwatch_anomalies_total', 'Rows whose score was above the threshold', pairNames)
  const rejected = counter('deepwatch_rows_rejected_total', 'Rows that could not be scored', ['model', 'reason'])
  const threshold = gauge('deepwatch_score_threshold', 'Threshold of a model version', pairNames)
  const trainedAt = gauge('deepwatch_model_trained_timestamp_seconds', 'When a model version was trained', pairNames)
  const duration = histogram('deepwatch_score_duration_seconds', 'Time a scoring took, by stage', ['stage'])
  for (const stage of ['kernel', 'total']) duration.zero({ stage })
  const scores = new ScoreHistogram()
  registers[0]!.registerMetric(scores as unknown as Metric)

  const removeAll = (pairs: readonly VersionLabels[]) => {
    for (const { model, version } of pairs)
      for (const metric of [rows, anomalies, threshold, trainedAt]) metric.remove({ model, version })
  }
  return {
    /** Counters at 0 and gauges set, from the moment a version exists. `trainedAt` in epoch seconds. */
    modelAppeared(name: string, version: number, facts: { threshold: number; trainedAt: number }): void {
      const { model, version: label } = labels.add(name, version)
      rows.inc({ model, version: label }, 0)
      anomalies.inc({ model, version: label }, 0)
      for (const reason of unscoredReasons) rejected.inc({ model, reason }, 0)
      scores.of(model)
      if (label !== 'other') {
        threshold.set({ model, version: label }, facts.threshold)
        trainedAt.set({ model, version: label }, facts.trainedAt)
      }
      removeAll(labels.trim(name))
    },
    versionDisappeared: (name: string, version: number) => removeAll(labels.forgetVersion(name, version)),
    modelDisappeared(name: string): void {
      if (!labels.has(name)) return
      removeAll([...labels.forget(name), { model: name, version: 'other' }])
      for (const reason of unscoredReasons) rejected.remove({ model: name, reason })
      scores.remove(name)
    },
    /** Counts one complete answer of `/score`. */
    scored(name: string, version: number, counts: ScoredCounts): void {
      const own = labels.find(name, version)
      const { model, version: label } = own ?? labels.folded(name)
      rows.inc({ model, version: label }, counts.scored)
      anomalies.inc({ model, version: label }, counts.anomalies)
      for (const reason of unscoredReasons) {
        const count = counts.rejected[reason]
        // A version with labels of its own shows its zeros since it appeared.
        if (count > 0 || !own) rejected.inc({ model, reason }, count)
      }
      scores.of(model).add(counts.tally)
      duration.observe({ stage: 'kernel' }, counts.kernelSeconds)
      duration.observe({ stage: 'total' }, counts.totalSeconds)
    },
  }
}

function createWorkMetrics(registers: Registry[]) {
  const { counter, histogram } = makers(registers)
  const training = histogram('deepwatch_train_duration_seconds', 'Time a training took')
  const deaths = counter('deepwatch_reader_deaths_total', 'Reading processes that died or had to be killed at work')
  const evictions = counter('deepwatch_window_evictions_total', 'Windows of entities that had to make room for others')
  const removals = counter('deepwatch_versions_removed_total', 'Versions of models that were removed', ['reason'])
  for (const reason of removalReasons) removals.inc({ reason }, 0)
  const http = histogram('deepwatch_http_request_duration_seconds', 'Time a request took', [
    'route',
    'method',
    'status',
  ])
  return {
    trained: (seconds: number) => training.observe(seconds),
    windowEvicted: () => evictions.inc(),
    readerDied: () => deaths.inc(),
    versionsRemoved: (reason: RemovalReason, versions: number) => removals.inc({ reason }, versions),
    /** `route` is a template or `unmatched`, never an address. */
    answered(route: string, method: string, status: number, seconds: number): void {
      http.observe({ route, method: methods.has(method) ? method : 'other', status }, seconds)
    },
  }
}

/** Gauges that ask how things are when they are scraped. */
function observeState(registers: Registry[], version: string, observed: Observed): void {
  const { gauge } = makers(registers)
  const buildInfo = gauge('deepwatch_build_info', 'Always 1; the labels say what runs', ['version', 'node', 'zones'])
  buildInfo.set({ version, node: process.version, zones: zoneTable }, 1)
  gauge('deepwatch_jobs', 'Jobs by state', ['state'], (jobs) => {
    const counts = observed.jobs?.()
    for (const state of jobStates) jobs.set({ state }, counts?.[state] ?? 0)
  })
  const read = (name: string, help: string, value: () => number) => gauge(name, help, [], (own) => own.set(value()))
  read('deepwatch_models_loaded', 'Models in the registry', observed.models)
  read('deepwatch_pool_queue_size', 'Tasks that wait for a thread', observed.poolQueue)
  const windows = observed.windows ?? (() => 0)
  read('deepwatch_window_entities', 'Entities whose last window is kept, per model version', windows)
  const utilization = 'Share of the thread time of the pool that was used'
  read('deepwatch_pool_utilization_ratio', utilization, observed.poolUtilization)
}

/** What makes metrics in these registries. `collect` is called at the moment of a scrape. */
function makers(registers: Registry[]) {
  return {
    counter: <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Counter({ name, help, labelNames, registers }),
    histogram: <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Histogram({ name, help, labelNames, buckets: durationBounds, registers }),
    gauge<Label extends string>(
      name: string,
      help: string,
      labelNames: readonly Label[] = [],
      collect?: (own: Gauge<Label>) => void,
    ) {
      const own: Gauge<Label> = new Gauge({ name, help, labelNames, registers, collect: () => collect?.(own) })
      return own
    },
  }
}

/** The same metrics in a registry that prints OpenMetrics. */
function inOpenMetrics(text: Registry<PrometheusContentType>): Registry<OpenMetricsContentType> {
  const open = new Registry<OpenMetricsContentType>()
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  for (const { name } of text.getMetricsAsArray()) {
    const metric = text.getSingleMetric(name) as Metric
    // Printing OpenMetrics renames a counter for good: there it gets an object of its own over the same values.
    const renamed = { name: { value: name, writable: true } }
    open.registerMetric(metric instanceof Counter ? (Object.create(metric, renamed) as Metric) : metric)
  }
  return open
}
