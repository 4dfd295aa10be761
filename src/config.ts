/** The settings of the service, checked once at start. This file alone reads the environment. */
import { availableParallelism } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { z } from 'zod'
import { DeepWatchError } from './errors.ts'
import { didYouMean } from './nearest.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const suffixes: Readonly<Record<string, number>> = { '': 1, k: KiB, m: MiB, g: GiB }

/** A size in bytes: a whole number, optionally followed by KiB, MiB or GiB. `byDefault` is read like one. */
const bytes = (byDefault: string, min: number, max = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d{1,16}([KMG]iB)?$/, 'must be a whole number of bytes, optionally with KiB, MiB or GiB')
    .transform((text) => Number.parseInt(text, 10) * suffixes[(/[KMG]/.exec(text)?.[0] ?? '').toLowerCase()]!)
    .pipe(z.number().min(min).max(max))
    .prefault(byDefault)

const whole = (byDefault: string, min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .prefault(byDefault)

const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

const scopes = ['read', 'score', 'train', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** A caller known by a token. Only the SHA-256 of the token is ever held. */
export interface Token {
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
  readonly sha256: Buffer
}

const tokenPattern = /^([A-Za-z0-9._-]{1,64}):([a-z+]+):([0-9a-f]{64})$/

const tokens = z.string().transform((text, context): Token[] => {
  const found: Token[] = []
  for (const [index, entry] of text.split(',').entries()) {
    const [, name, list, hex] = tokenPattern.exec(entry.trim()) ?? []
    const named = list?.split('+') ?? []
    const known = named.every((scope): scope is Scope => (scopes as readonly string[]).includes(scope))
    // The entry itself is never repeated: somebody may have put the token there instead of its hash.
    const problem =
      !name || !hex || named.length === 0 ? 'is not name:scope+scope:sha256hex' : known ? null : 'has an unknown scope'
    if (problem) {
      context.addIssue({ code: 'custom', message: `entry ${index + 1} ${problem}` })
      return z.NEVER
    }
    found.push({ name: name!, scopes: new Set(named as Scope[]), sha256: Buffer.from(hex!, 'hex') })
  }
  if (new Set(found.map((token) => token.name)).size < found.length) {
    context.addIssue({ code: 'custom', message: 'two entries have the same name' })
    return z.NEVER
  }
  return found
})

const cores = availableParallelism()

/** Every setting: its environment key is its name here; the text is what `--print-config` and the README show. */
export const settings = {
  HOST: z.string().min(1).max(255).default('127.0.0.1').describe('address to listen on'),
  PORT: whole('8080', 0, 65_535).describe('port to listen on; 0 takes a free one'),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('lowest level that is logged'),
  DEEPWATCH_HOME: z
    .string()
    .min(1)
    .default('./data')
    .describe('state folder: models, reports, jobs, spool; one process at a time'),
  DEEPWATCH_DATA_ROOTS: z
    .string()
    .optional()
    .describe('folders, separated by :, whose files may be named by path; default $DEEPWATCH_HOME/telemetry'),
  DEEPWATCH_TOKENS: tokens.optional().describe('name:scope+scope:sha256hex, separated by commas'),
  DEEPWATCH_OPEN: flag.prefault('false').describe('true allows a HOST that is not loopback without tokens'),
  DEEPWATCH_CORES: whole(String(cores), 1, 1024).describe('cores to plan for; pool and reader share this budget'),
  DEEPWATCH_POOL_QUEUE: whole('256', 1, 100_000).describe('tasks that may wait for a thread before 503'),
  DEEPWATCH_READERS: whole('2', 1, 64).describe('reading processes at once'),
  DEEPWATCH_READER_QUEUE: whole('32', 0, 10_000).describe('requests that may wait for a reading process before 503'),
  DEEPWATCH_READER_MEMORY: bytes('512MiB', 64 * MiB).describe('memory limit of DuckDB in a reading process'),
  DEEPWATCH_READER_ADDRESS_SPACE: bytes('8GiB', 2 * GiB).describe('address space of a reading process'),
  DEEPWATCH_READER_RESIDENT: bytes('1536MiB', 256 * MiB).describe(
    'resident memory at which a reading process is ended',
  ),
  DEEPWATCH_READER_STALL_MS: whole('60000', 100, 3_600_000).describe(
    'milliseconds without progress after which reading is given up',
  ),
  DEEPWATCH_MAX_COLUMNS: whole('4096', 1, 100_000).describe('columns a source may have'),
  DEEPWATCH_MAX_CELLS: whole('2000000000', 1, Number.MAX_SAFE_INTEGER).describe('rows x columns a source may have'),
  DEEPWATCH_MAX_TEXT: bytes('4GiB', MiB).describe('decoded bytes of text one job may read'),
  DEEPWATCH_MAX_FILES: whole('1000', 1, 100_000).describe('files a source may have'),
  DEEPWATCH_JSON_BYTES: bytes('16MiB', KiB, 512 * MiB).describe('size of a JSON body'),
  DEEPWATCH_JSON_ROWS: whole('100000', 1, 10_000_000).describe('rows in a JSON body'),
  DEEPWATCH_UPLOAD_BYTES: bytes('8GiB', KiB).describe('size of an upload'),
  DEEPWATCH_SPOOL_BYTES: bytes('32GiB', KiB).describe('size of all spooled files together'),
  DEEPWATCH_BODY_STALL_MS: whole('15000', 100, 3_600_000).describe('milliseconds a client may send or take nothing'),
  DEEPWATCH_BODY_MIN_RATE: whole('1024', 0, 1_000_000_000).describe(
    'bytes a second a body must average after its first stall time',
  ),
  DEEPWATCH_MAX_CONNECTIONS: whole('2048', 1, 1_000_000).describe('connections at once'),
  DEEPWATCH_CACHE_BYTES: bytes('256MiB', MiB).describe('forests kept decoded in memory'),
  DEEPWATCH_MAX_MODELS: whole('10000', 1, 1_000_000).describe('models the registry may hold'),
  DEEPWATCH_TRAIN_BYTES: bytes('512MiB', MiB).describe('memory one training may take for its samples'),
  DEEPWATCH_MAX_ENTITIES: whole('10000', 1, 100_000).describe(
    'entities that telemetry may have for a model per entity',
  ),
  DEEPWATCH_WINDOW_ENTITIES: whole('100000', 1, 10_000_000).describe(
    'entities, of all model versions, whose last window is kept for rows sent as JSON; the least recently seen is dropped first',
  ),
  DEEPWATCH_WINDOW_BYTES: bytes('128MiB', MiB).describe(
    'memory of these windows, and of those of each file or training that derives features',
  ),
  DEEPWATCH_METRIC_MODELS: whole('200', 1, 10_000).describe(
    'models with a label of their own in /metrics; the rest are other',
  ),
  DEEPWATCH_JOBS_RUNNING: whole('2', 1, 64).describe('jobs at work at once'),
  DEEPWATCH_JOBS_QUEUE: whole('64', 0, 10_000).describe('jobs that may wait before 503'),
  DEEPWATCH_JOBS_KEPT: whole('1000', 1, 100_000).describe(
    'finished jobs kept, and as many answers to requests with an Idempotency-Key',
  ),
  DEEPWATCH_JOBS_KEEP_MS: whole('86400000', 100, 31_536_000_000).describe(
    'milliseconds a finished job, its result and its Idempotency-Key are kept',
  ),
  DEEPWATCH_JOBS_RESULT_BYTES: bytes('8GiB', KiB).describe('size of all kept results together; the oldest make room'),
  DEEPWATCH_JOBS_LISTENERS: whole('100', 1, 100_000).describe('listeners to the events of jobs at once'),
  DEEPWATCH_DRAIN_MS: whole('30000', 0, 3_600_000).describe('milliseconds accepted work may take after SIGTERM'),
} as const

const schema = z.strictObject(settings)
type Values = z.infer<typeof schema>
type Key = keyof typeof settings

/** All settings as the rooms take them. Sizes in bytes, times in milliseconds, paths absolute. */
export interface Config extends Values {
  readonly home: string
  readonly roots: readonly string[]
  /** One budget of cores: the pool may use all of them, since the reader blocks as soon as the pool lags behind. */
  readonly poolThreads: number
  readonly readerThreads: number
  /** The service lives for one command: what may be asked for later is not kept ready. */
  readonly once?: boolean
}

const loopback = /^(127(\.\d{1,3}){3}|localhost|::1|\[::1\])$/

/**
 * Reads and checks the settings of `env`, where an empty text counts as absent; `flags` beat it, by the same keys. Throws
 * `invalid_setting` with one line that names the key: a bad value, an unknown key, an open address without tokens.
 */
export function loadConfig(
  env: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, string>> = {},
): Config {
  const given: Record<string, string> = {}
  for (const [key, value] of Object.entries({ ...env, ...flags })) {
    if (value === undefined || value === '') continue
    if (Object.hasOwn(settings, key)) given[key] = value
    else if (key.startsWith('DEEPWATCH_'))
      throw new DeepWatchError('invalid_setting', `${key} is not a setting${didYouMean(key, Object.keys(settings))}`)
  }
  const parsed = schema.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new DeepWatchError('invalid_setting', `${String(issue.path[0])}: ${issue.message}`)
  }
  const values = parsed.data
  if (!loopback.test(values.HOST) && !values.DEEPWATCH_TOKENS && !values.DEEPWATCH_OPEN) {
    throw new DeepWatchError(
      'invalid_setting',
      `HOST: ${values.HOST} is not loopback; set DEEPWATCH_TOKENS, or DEEPWATCH_OPEN=true to serve everyone`,
    )
  }
  const home = resolve(values.DEEPWATCH_HOME)
  const roots = (values.DEEPWATCH_DATA_ROOTS?.split(delimiter) ?? [join(home, 'telemetry')]).filter(
    (root) => root !== '',
  )
  return {
    ...values,
    home,
    roots: roots.map((root) => resolve(root)),
    poolThreads: values.DEEPWATCH_CORES,
    readerThreads: Math.max(1, Math.floor(values.DEEPWATCH_CORES / 2)),
  }
}

/** Every setting with its value and where it came from, in the order of the schema. Of tokens it shows names and scopes alone. */
export function printConfig(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Record<string, string>> = {},
): { key: string; value: string; origin: 'default' | 'environment' | 'flag'; description: string }[] {
  return (Object.keys(settings) as Key[]).map((key) => ({
    key,
    value: printValue(key, config),
    origin: flags[key] ? 'flag' : env[key] ? 'environment' : 'default',
    description: settings[key].description ?? '',
  }))
}

function printValue(key: Key, config: Config): string {
  if (key === 'DEEPWATCH_TOKENS')
    return (config[key] ?? []).map((token) => `${token.name}:${[...token.scopes].join('+')}`).join(',')
  if (key === 'DEEPWATCH_DATA_ROOTS') return config.roots.join(delimiter)
  if (key === 'DEEPWATCH_HOME') return config.home
  return String(config[key] ?? '')
}
