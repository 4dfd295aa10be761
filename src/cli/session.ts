/** The service without HTTP: the same use cases on a state folder, for the length of one command. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, open, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { type Config, loadConfig } from '../config.ts'
import { DeepWatchError } from '../errors.ts'
import { createReaders, type Readers, readerLimits } from '../reader/index.ts'
import { artefactName, openSource, readArtefact } from '../registry/index.ts'
import { modelNamePattern, modelReferencePattern } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import { software } from '../software.ts'
import type { Source } from '../sources/index.ts'
import type { Call } from './command.ts'
import { namedModel, type Telemetry } from './given.ts'
import { show } from './usage.ts'

/** Nothing listens here, and a pipe may be as slow as it likes. The token is for services that are asked. */
const fixed = { HOST: '127.0.0.1', DEEPWATCH_BODY_STALL_MS: '3600000', DEEPWATCH_BODY_MIN_RATE: '0' }

/** A service on a state folder for the time of `use`. Errors: `home_locked`, `invalid_setting`, those of `use`. */
export async function withService<Result>(
  { env, work }: Call,
  { home, roots = [] }: { readonly home: string | undefined; readonly roots?: readonly string[] },
  use: (service: Service) => Promise<Result>,
): Promise<Result> {
  const flags = home === undefined ? fixed : { ...fixed, DEEPWATCH_HOME: home }
  const config: Config = { ...loadConfig({ ...env, DEEPWATCH_TOKEN: '' }, flags), roots, once: true }
  work.signal.throwIfAborted()
  // Node 20 optimizes early, on threads that the work needs, and a command is over before that pays: it waits.
  if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=400000')
  const service = await startHouse(config)
  try {
    return await use(service)
  } finally {
    await service.close()
  }
}

/** Starts the service. A reading process comes first: it takes as long to start as the rest of the service to load. */
async function startHouse(config: Config): Promise<Service> {
  const readers = startReaders(config)
  try {
    const [{ startService }, { createMetrics }, { pino }] = await Promise.all([
      import('../service.ts'),
      import('../observe/index.ts'),
      import('pino'),
    ])
    const observed = { models: () => 0, poolQueue: () => 0, poolUtilization: () => 0 }
    const metrics = createMetrics({ version: software.version, models: 1, observed })
    return await startService(config, metrics, pino({ level: 'silent' }), software.version, () => {}, readers)
  } catch (error) {
    await readers?.close()
    if (!(error instanceof DeepWatchError) || error.code !== 'home_locked') throw error
    const advice = 'Ask it with --server URL, or take another folder with --home.'
    throw new DeepWatchError('home_locked', `A service uses this state folder. ${advice}`, { cause: error })
  }
}

/** Null where they find no place in the state folder: whoever locks it says why. */
function startReaders(config: Config): Readers | null {
  try {
    return createReaders(readerLimits(config))
  } catch {
    return null
  }
}

/** The same, with what a command was given to read spooled where it has to be. */
export function withTelemetry<Result>(
  call: Call,
  home: string | undefined,
  telemetry: Telemetry,
  use: (service: Service, upload: Source | null) => Promise<Result>,
): Promise<Result> {
  return withService(call, { home, roots: telemetry.roots }, async (service) => {
    const upload = await telemetry.upload(service.sources, call.work.signal)
    try {
      return await use(service, upload)
    } finally {
      await upload?.dispose()
    }
  })
}

/** An empty state folder that is gone afterwards. `inside` is an existing folder on the disk that results go to. */
export async function withTemporaryHome<Result>(inside: string, use: (home: string) => Promise<Result>) {
  const home = await mkdtemp(join(inside, '.deepwatch-'))
  try {
    return await use(home)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/**
 * Finds the model that a command names: in the state folder, else a model file, which gets a state folder for the time. Errors:
 * those of `namedModel`, `model_not_found`, `model_corrupt`, `model_version_unsupported`.
 */
export async function withModel<Result>(
  call: Call,
  use: (home: string | undefined, reference: string) => Promise<Result>,
): Promise<Result> {
  const named = namedModel(call)
  if (modelReferencePattern.test(named)) return use(call.text('home'), named)
  return withTemporaryHome(tmpdir(), async (home) => use(home, await placeModel(named, home)))
}

/** Puts a model file into a state folder, whole and checked, and gives its reference. */
async function placeModel(path: string, home: string): Promise<string> {
  const place = join(home, `${randomBytes(8).toString('hex')}.tmp`)
  try {
    await copyFile(await realpath(path), place)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const detail = isMissing ? `There is no model file ${show(path)}.` : `The model file ${show(path)} cannot be read.`
    throw new DeepWatchError('model_not_found', detail, { cause: error })
  }
  const file = await open(place)
  try {
    const { header } = await readArtefact(await openSource(file), { keepPayload: false })
    // A checksum proves that nothing was damaged, not that nothing was made up.
    if (!modelNamePattern.test(header.model))
      throw new DeepWatchError('model_corrupt', 'The model file names no model.')
    const folder = join(home, 'models', header.model)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await copyFile(place, join(folder, artefactName(header.version)))
    return `${header.model}@${header.version}`
  } finally {
    await file.close()
    await rm(place, { force: true })
  }
}
