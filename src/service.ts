/** Starts the hands and the use cases in order, and stops them in reverse. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { createStages } from './flow.ts'
import { openWindows, type Windows } from './history/index.ts'
import { openJobs, openJobsFolder } from './jobs/index.ts'
import type { Metrics } from './observe/index.ts'
import { Pool } from './pool/index.ts'
import { createReaders, MAX_BLOCKS, type Readers, readerLimits } from './reader/index.ts'
import { createModels, openRegistry, type Registry } from './registry/index.ts'
import { createDrawing, createReporting, type KeptReports, openKeptReports } from './reporting/index.ts'
import { type VersionDocument, versionDocument } from './schemas/index.ts'
import { createEvaluation, createScoring } from './scoring/index.ts'
import { createScratch, createSources, type Sources } from './sources/index.ts'
import { lockHome } from './storage/index.ts'
import { createOpener } from './telemetry/index.ts'
import { createTraining, TrainingRecord } from './training/index.ts'

/** Made once: compiling it for each document would be most of what loading a model costs. */
const storedDocument = versionDocument.loose()

/** A running service: what the doors may use. */
export type Service = Awaited<ReturnType<typeof startService>>

/**
 * Starts everything on a state folder; a stage that fails stops those before it. `onHomeLost` is called when another process
 * took it over; `early` readers were started before, and end with the service. Errors: `home_locked`, `invalid_setting`.
 */
export async function startService(
  config: Config,
  metrics: Metrics,
  log: Logger,
  software: string,
  onHomeLost: () => void,
  early: Readers | null = null,
) {
  const stages = createStages()
  /** Ends threads and processes, waits for saves, releases the state folder. Accepted work must have ended. */
  const close = (): Promise<void> => stages.stop()
  try {
    const home = stages.add(await takeHome(config, log, onHomeLost), ({ lock }) => lock.release())
    const sources = await openSources(config)
    // First of the slow ones: whoever brings a file waits for it.
    const readers = stages.add(early ?? startReaders(config, metrics, log), (readers) => readers.close())
    const stored = openRegistry<VersionDocument>({
      home: config.home,
      cacheBytes: config.DEEPWATCH_CACHE_BYTES,
      maxModels: config.DEEPWATCH_MAX_MODELS,
      log,
      readDocument: (value) => storedDocument.parse(value) as VersionDocument,
    })
    const registry = stages.add(await stored, (registry) => registry.close())
    announce(registry, metrics)
    const limits = { threads: config.poolThreads, maxQueue: config.DEEPWATCH_POOL_QUEUE }
    const pool = stages.add(new Pool(limits), (pool) => pool.close())
    const restored = openWindows(
      config.home,
      { entities: config.DEEPWATCH_WINDOW_ENTITIES, bytes: config.DEEPWATCH_WINDOW_BYTES },
      {
        onEvicted: () => metrics.windowEvicted(),
        onDamaged: () => log.warn('the windows of the last stop are damaged: every entity begins without history'),
      },
    )
    const windows = stages.add(await restored, (windows) => home.save(windows))
    const drawing = stages.add(createDrawing(), (drawing) => drawing.close())
    const jobs = stages.add(await startJobs(config, log), (jobs) => jobs.close())
    const kept = openKeptReports(config.home)
    await kept.sweep((model, version) => registry.has(model, version))
    const hands = { config, metrics, software, sources, readers, registry, pool, windows, drawing, kept }
    return { ...createUseCases(hands), jobs, sources, pool, readers, windows, registry, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function takeHome(config: Config, log: Logger, onHomeLost: () => void) {
  let isOurs = true
  const lock = await lockHome(config.home, {
    onLost() {
      isOurs = false
      onHomeLost()
    },
    onWaiting: (seconds) => log.warn({ seconds }, 'the state folder was used elsewhere; waiting whether it still is'),
  })
  const save = async (windows: Windows) => {
    if (isOurs) await windows.save().catch((cause) => log.warn({ err: cause }, 'the windows could not be written'))
  }
  return { lock, save }
}

const spoolOf = (config: Config) => join(config.home, 'spool')

async function openSources(config: Config): Promise<Sources> {
  const sources = createSources({
    home: config.home,
    roots: config.roots,
    maxFiles: config.DEEPWATCH_MAX_FILES,
    uploadBytes: config.DEEPWATCH_UPLOAD_BYTES,
    spoolBytes: config.DEEPWATCH_SPOOL_BYTES,
    uploadStallMs: config.DEEPWATCH_BODY_STALL_MS,
    uploadMinRate: config.DEEPWATCH_BODY_MIN_RATE,
    uploadGraceMs: config.DEEPWATCH_BODY_STALL_MS,
  })
  await sources.sweep()
  const folders = [spoolOf(config), join(config.home, 'telemetry')]
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 })
  return sources
}

function startReaders(config: Config, metrics: Metrics, log: Logger): Readers {
  return createReaders(readerLimits(config), {
    onDeath(reason) {
      metrics.readerDied()
      log.warn({ reason }, 'a reading process died')
    },
    log: (message, facts) => log.debug(facts, message),
  })
}

interface Hands {
  readonly config: Config
  readonly metrics: Metrics
  readonly software: string
  readonly sources: Sources
  readonly readers: Readers
  readonly registry: Registry<VersionDocument>
  readonly pool: Pool
  readonly windows: Windows
  readonly drawing: ReturnType<typeof createDrawing>
  readonly kept: KeptReports
}

function createUseCases(hands: Hands) {
  const { config, metrics, software, registry, pool, windows, drawing, kept } = hands
  const scratch = () => createScratch(spoolOf(config))
  const shared = {
    open: createOpener(hands.sources, hands.readers),
    pool,
    registry,
    historyBytes: config.DEEPWATCH_WINDOW_BYTES,
    ahead: Math.min(config.poolThreads + 1, MAX_BLOCKS),
  }
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
    onRemoved: metrics.versionsRemoved,
  })
  const training = createTraining({
    ...shared,
    maxBytes: config.DEEPWATCH_TRAIN_BYTES,
    maxEntities: config.DEEPWATCH_MAX_ENTITIES,
    // What does not fit the cache would be read from the disk for every request.
    entityModelBytes: config.DEEPWATCH_CACHE_BYTES,
    software,
    record: ({ log }) => new TrainingRecord(kept, scratch(), log),
    expire: models.expire,
    onTrained(document, seconds) {
      appeared(document, metrics)
      metrics.trained(seconds)
    },
  })
  const onScored = metrics.scored.bind(metrics)
  const scoring = createScoring({ ...shared, windows, scratch: async () => scratch(), onScored })
  const reporting = createReporting({ scoring, drawing, kept, version: models.version })
  return { training, scoring, evaluation: createEvaluation(shared), models, reporting }
}

/** Every model that was there before shows its counters at 0 from the first scrape. */
function announce(registry: Registry<VersionDocument>, metrics: Metrics): void {
  for (const { name, versions, quarantined } of registry.list().models)
    for (const version of versions)
      if (!quarantined.includes(version)) appeared(registry.document(name, version), metrics)
}

function appeared({ model, version, threshold, createdAt }: VersionDocument, metrics: Metrics): void {
  metrics.modelAppeared(model, version, { threshold: threshold.value, trainedAt: Date.parse(createdAt) / 1000 })
}

function startJobs(config: Config, log: Logger) {
  const limits = {
    running: config.DEEPWATCH_JOBS_RUNNING,
    queue: config.DEEPWATCH_JOBS_QUEUE,
    heldBytes: 4 * config.DEEPWATCH_JSON_BYTES,
    kept: config.DEEPWATCH_JOBS_KEPT,
    keepMs: config.DEEPWATCH_JOBS_KEEP_MS,
    resultBytes: config.DEEPWATCH_JOBS_RESULT_BYTES,
  }
  return openJobs({ folder: openJobsFolder(config.home), limits, log })
}
