/** Wires the hands and the use cases: everything that has to be started, and ended in order. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { openWindows, type Windows } from './history/index.ts'
import { type Jobs, openJobs, openJobsFolder } from './jobs/index.ts'
import type { Metrics } from './observe/index.ts'
import { createPool, type Pool } from './pool/index.ts'
import { createReaders, MOST_BLOCKS, type Readers, readerLimits } from './reader/index.ts'
import { createModels, type Models, openRegistry, type Registry } from './registry/index.ts'
import { createDrawing, createReporting, openKeptReports, type Reporting } from './reporting/index.ts'
import { type VersionDocument, versionDocument } from './schemas/index.ts'
import { createEvaluation, createScoring, type EvaluationUseCase, type Scoring } from './scoring/index.ts'
import { createScratch, createSources, type Sources } from './sources/index.ts'
import { type HomeLock, lockHome } from './storage/index.ts'
import { createOpener } from './telemetry/index.ts'
import { createTraining, recordTraining, type Training } from './training/index.ts'

/** Made once: a schema made for each document has to be compiled for each, which is most of what loading a model would cost. */
const storedDocument = versionDocument.loose()

/** A running service: what the doors may use. */
export interface Service {
  readonly training: Training
  readonly scoring: Scoring
  readonly evaluation: EvaluationUseCase
  readonly reporting: Reporting
  readonly models: Models
  readonly jobs: Jobs
  readonly sources: Sources
  readonly pool: Pick<Pool, 'queueSize' | 'utilization' | 'saturated'>
  readonly readers: Pick<Readers, 'saturated' | 'queueSize'>
  readonly windows: Pick<Windows, 'size'>
  readonly registry: Pick<Registry<VersionDocument>, 'size' | 'quarantined'>
  /** Ends threads and processes, waits for saves, gives the state folder free. Accepted work must have ended. */
  close(): Promise<void>
}

/**
 * Starts everything on a state folder. `onHomeLost` is called when another process took the folder over, which
 * ends the right to write there. Errors: `home_locked`, and whatever makes the folder unusable.
 * What was started is ended again when a later part fails.
 * @param early reading processes that were started before; the service ends them, unless it cannot start
 */
export async function startService(
  config: Config,
  metrics: Metrics,
  log: Logger,
  software: string,
  onHomeLost: () => void,
  early: Readers | null = null,
): Promise<Service> {
  const started: (() => Promise<unknown> | unknown)[] = []
  const close = async () => {
    for (const end of started.splice(0).reverse()) await end()
  }
  try {
    let isOurs = true
    const lock: HomeLock = await lockHome(config.home, {
      onLost() {
        isOurs = false
        onHomeLost()
      },
      onWaiting: (seconds) => log.warn({ seconds }, 'the state folder was used elsewhere; waiting whether it still is'),
    })
    started.push(() => lock.release())
    const spool = join(config.home, 'spool')
    const sources = createSources(sourceLimits(config))
    await sources.sweep()
    for (const folder of [spool, join(config.home, 'telemetry')]) await mkdir(folder, { recursive: true, mode: 0o700 })

    // The first thing that whoever brings a file waits for.
    const readers =
      early ??
      createReaders(readerLimits(config), {
        onDeath: (reason) => {
          metrics.readerDied()
          log.warn({ reason }, 'a reading process died')
        },
        log: (message, facts) => log.debug(facts, message),
      })
    started.push(() => readers.close())

    const registry = await openRegistry<VersionDocument>({
      home: config.home,
      cacheBytes: config.DEEPWATCH_CACHE_BYTES,
      maxModels: config.DEEPWATCH_MAX_MODELS,
      log,
      readDocument: (value) => storedDocument.parse(value) as VersionDocument,
    })
    started.push(() => registry.close())
    const appeared = (document: VersionDocument) =>
      metrics.modelAppeared(document.model, document.version, {
        threshold: document.threshold.value,
        trainedAt: Date.parse(document.createdAt) / 1000,
      })
    announce(registry, appeared)

    const pool = createPool({ threads: config.poolThreads, maxQueue: config.DEEPWATCH_POOL_QUEUE })
    started.push(() => pool.close())

    const windows = await openWindows(
      config.home,
      { entities: config.DEEPWATCH_WINDOW_ENTITIES, bytes: config.DEEPWATCH_WINDOW_BYTES },
      {
        onEvicted: () => metrics.windowEvicted(),
        onDamaged: () => log.warn('the windows of the last stop are damaged: every entity begins without history'),
      },
    )
    started.push(async () => {
      if (isOurs) await windows.save().catch((cause) => log.warn({ err: cause }, 'the windows could not be written'))
    })
    const open = createOpener(sources, readers)
    const scratch = async () => createScratch(spool)
    const kept = openKeptReports(config.home)
    await kept.sweep((model, version) => hasVersion(registry, model, version))
    const ahead = Math.min(config.poolThreads + 1, MOST_BLOCKS)
    const training = createTraining({
      open,
      pool,
      registry,
      maxBytes: config.DEEPWATCH_TRAIN_BYTES,
      maxEntities: config.DEEPWATCH_MAX_ENTITIES,
      // What does not fit the cache would be read from the disk for every request.
      entityModelBytes: config.DEEPWATCH_CACHE_BYTES,
      historyBytes: config.DEEPWATCH_WINDOW_BYTES,
      ahead,
      software,
      record: (work) => recordTraining({ scratch, kept }, work),
      onTrained(document, seconds) {
        appeared(document)
        metrics.trained(seconds)
      },
    })
    const scoring = createScoring({
      open,
      pool,
      registry,
      historyBytes: config.DEEPWATCH_WINDOW_BYTES,
      ahead,
      windows,
      scratch,
      onScored: (model, version, counts) => metrics.scored(model, version, counts),
    })
    const evaluation = createEvaluation({
      open,
      pool,
      registry,
      historyBytes: config.DEEPWATCH_WINDOW_BYTES,
      ahead,
    })
    const models = createModels({
      registry,
      async onModelRemoved(model) {
        metrics.modelDisappeared(model)
        windows.removeModel(model)
        await kept.removeModel(model)
      },
      async onVersionRemoved(model, version) {
        metrics.versionDisappeared(model, version)
        windows.removeVersion(model, version)
        await kept.removeVersion(model, version)
      },
    })
    const drawing = createDrawing()
    started.push(() => drawing.close())
    const reporting = createReporting({ scoring, drawing, kept, version: models.version })
    const jobs = await openJobs({ folder: openJobsFolder(config.home), limits: jobsLimits(config), log })
    started.push(() => jobs.close())
    return { training, scoring, evaluation, reporting, models, jobs, sources, pool, readers, windows, registry, close }
  } catch (error) {
    await close()
    throw error
  }
}

function hasVersion(registry: Registry<VersionDocument>, model: string, version: number): boolean {
  try {
    return registry.get(model).versions.includes(version)
  } catch {
    return false
  }
}

/** Every model that was there before shows its counters at 0 from the first scrape. */
function announce(registry: Registry<VersionDocument>, appeared: (document: VersionDocument) => void): void {
  let after: string | undefined
  do {
    const page = registry.list(after === undefined ? {} : { after })
    for (const { name, versions, quarantined } of page.models) {
      for (const version of versions) if (!quarantined.includes(version)) appeared(registry.document(name, version))
    }
    after = page.next ?? undefined
  } while (after !== undefined)
}

function sourceLimits(config: Config) {
  return {
    home: config.home,
    roots: config.roots,
    maxFiles: config.DEEPWATCH_MAX_FILES,
    uploadBytes: config.DEEPWATCH_UPLOAD_BYTES,
    spoolBytes: config.DEEPWATCH_SPOOL_BYTES,
    uploadStallMs: config.DEEPWATCH_BODY_STALL_MS,
    uploadMinRate: config.DEEPWATCH_BODY_MIN_RATE,
    uploadGraceMs: config.DEEPWATCH_BODY_STALL_MS,
  }
}

function jobsLimits(config: Config) {
  return {
    running: config.DEEPWATCH_JOBS_RUNNING,
    queue: config.DEEPWATCH_JOBS_QUEUE,
    heldBytes: 4 * config.DEEPWATCH_JSON_BYTES,
    kept: config.DEEPWATCH_JOBS_KEPT,
    keepMs: config.DEEPWATCH_JOBS_KEEP_MS,
    resultBytes: config.DEEPWATCH_JOBS_RESULT_BYTES,
  }
}
