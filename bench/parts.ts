/** The hands of the service, each for itself: what reading a source and scoring its blocks cost when nothing else is done. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { loadConfig } from '../src/config.ts'
import type { Block } from '../src/kernels/block.ts'
import { createMetrics } from '../src/observe/metrics.ts'
import { Pool } from '../src/pool/pool.ts'
import type { ScoringModel } from '../src/pool/types.ts'
import { createReaders, readerLimits } from '../src/reader/reader.ts'
import type { FeatureQuery, Readers } from '../src/reader/types.ts'
import type { VersionDocument } from '../src/schemas/model.ts'
import { type Service, startService } from '../src/service.ts'
import { software } from '../src/software.ts'
import { createSources, type Sources } from '../src/sources/sources.ts'

/** Clock and processor time in seconds. */
export interface Cost {
  readonly seconds: number
  /** Of this process with its threads. */
  readonly own: number
  /** Of the processes it started. */
  readonly children: number
}

export interface Parts {
  readonly pool: Pool
  readonly readers: Readers
  readonly sources: Sources
  /** Cores that work is divided among. */
  readonly cores: number
  close(): Promise<void>
}

/** Starts a pool and readers with the service's own limits, on an empty state folder. */
export function startParts(home: string, roots: readonly string[]): Parts {
  const config = loadConfig({}, { DEEPWATCH_HOME: home })
  const pool = new Pool({ threads: config.poolThreads, maxQueue: config.DEEPWATCH_POOL_QUEUE })
  const readers = createReaders(readerLimits(config))
  const sources = createSources({
    home,
    roots,
    maxFiles: config.DEEPWATCH_MAX_FILES,
    uploadBytes: config.DEEPWATCH_UPLOAD_BYTES,
    spoolBytes: config.DEEPWATCH_SPOOL_BYTES,
    uploadStallMs: config.DEEPWATCH_BODY_STALL_MS,
    uploadMinRate: config.DEEPWATCH_BODY_MIN_RATE,
    uploadGraceMs: config.DEEPWATCH_BODY_STALL_MS,
  })
  const close = async () => {
    await readers.close()
    await pool.close()
  }
  return { pool, readers, sources, cores: config.poolThreads, close }
}

/** The whole service on an empty state folder, without its door, and as ready for the next request as with it. */
export function startWhole(home: string, roots: readonly string[]): Promise<Service> {
  const config = { ...loadConfig({}, { DEEPWATCH_HOME: home }), roots }
  const observed = { models: () => 0, poolQueue: () => 0, poolUtilization: () => 0 }
  const metrics = createMetrics({ version: software.version, models: 1, observed })
  return startService(config, metrics, pino({ level: 'silent' }), software.version, () => {})
}

/** What a version reads of a source. */
export function queryOf({ features, roles, timeContext }: VersionDocument): FeatureQuery {
  return {
    features: features.map((feature) => {
      if (feature.kind === 'timeContext') return { timeContext: feature.timeContext }
      if ('derive' in feature) throw new Error('the bench derives nothing')
      return { name: feature.name, kind: feature.kind }
    }),
    timestamp: roles.timestamp ?? undefined,
    transitions: timeContext.transitions ?? undefined,
  }
}

/** Reads a source to its end and does nothing with it, but for `take`. */
export async function readAlone(
  { readers, sources }: Parts,
  path: string,
  query: FeatureQuery,
  take: (block: Block) => void = () => {},
): Promise<Cost> {
  return costOf(async () => {
    const session = await readers.open(await sources.fromPaths(path))
    try {
      await session.describe()
      for await (const { block, release } of session.features(query)) {
        take(block)
        release()
      }
      // Before the process goes, and its account with it.
      return childrenSeconds()
    } finally {
      await session.close()
    }
  })
}

/** Scores blocks that are there, on all threads. */
export function scoreAlone({ pool, cores }: Parts, model: ScoringModel, blocks: readonly Block[]): Promise<Cost> {
  return costOf(async () => {
    const underWay: Promise<unknown>[] = []
    for (const block of blocks) {
      if (underWay.length > cores) await underWay.shift()
      underWay.push(pool.score(model, block, { patient: true }))
    }
    await Promise.all(underWay)
    return childrenSeconds()
  })
}

/** A copy of a block in memory of its own. */
export function copyOf({ values, ...block }: Block): Block {
  const copy = new Float64Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return { ...block, values: copy }
}

/** `work` gives the processor time of the children at its end. */
export async function costOf(work: () => Promise<number>): Promise<Cost> {
  const [start, own, before] = [performance.now(), process.cpuUsage(), childrenSeconds()]
  const children = (await work()) - before
  const { user, system } = process.cpuUsage(own)
  return { seconds: (performance.now() - start) / 1000, own: (user + system) / 1e6, children }
}

/** Processor time of the living children of this process, in seconds. */
export function childrenSeconds(): number {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(join('/proc', name, 'stat'), 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(fields[1]) === process.pid) ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // Gone.
    }
  }
  // Linux counts hundredths, whatever its own clock is.
  return ticks / 100
}
