import { statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { FormatId } from '../src/formats/index.ts'
import { type Command, type Description, FRAME, type OpenCommand, type ReaderStart } from '../src/reader/index.ts'
import {
  lockDatabase,
  type OpenFile,
  openDatabase,
  openFiles,
  type Relation,
  type RelationInput,
} from './reader/database/index.ts'
import {
  arrowRelation,
  csvRelation,
  ndjsonRelation,
  parquetRelation,
  prometheusRelation,
  withNulls,
  withPivot,
  withTimes,
} from './reader/formats/index.ts'
import {
  entitiesOf,
  failureOf,
  growingOf,
  send,
  sendJson,
  spanOf,
  streamFeatures,
  useExchange,
} from './reader/read/index.ts'
import { aggregateScored } from './reader/report/index.ts'
import { streamScored, writeScored } from './reader/write/index.ts'

/**
 * The reading process: one locked database over one source. It takes commands from its standard input, answers on file
 * descriptor 3, and ends when either pipe closes. See `src/reader/frames.ts`.
 */

const BEAT_MS = 200

const start = JSON.parse(process.argv[2] ?? '{}') as ReaderStart
const database = await openDatabase(start)
if (start.exchange) useExchange()

let opened: { command: OpenCommand; files: OpenFile[] } | null = null
let relation: Promise<Relation> | null = null

const builders: Record<FormatId, (input: RelationInput) => Promise<Relation>> = {
  parquet: parquetRelation,
  csv: csvRelation,
  ndjson: ndjsonRelation,
  arrow: arrowRelation,
  prometheus: prometheusRelation,
}

async function open(command: OpenCommand): Promise<null> {
  if (opened !== null) throw new Error('the source is open')
  const files = openFiles(command.files)
  const outputs = command.outputPath === null ? [] : [command.outputPath]
  await lockDatabase(database, [...files.map((file) => file.path), ...outputs])
  opened = { command, files }
  return null
}

/** The source as SQL sees it, judged once, when it is first needed. */
function source(): Promise<Relation> {
  if (opened === null) throw new Error('no source is open')
  const { command, files } = opened
  relation ??= builders[command.format]({ database, files, command }).then(asAsked)
  return relation
}

/** The relation as the request says that it is to be read. */
async function asAsked(built: Relation): Promise<Relation> {
  const { reading, format, maxColumns } = (opened as { command: OpenCommand }).command
  const known = format === 'csv' ? built : withNulls(built, reading.nullValues)
  return withPivot(database, await withTimes(database, known, reading), reading, maxColumns)
}

/** The source with all of its columns, for output that shows them all. */
async function completeSource(): Promise<Relation> {
  const built = await source()
  const all = await built.complete?.()
  const complete = all ? await asAsked(all) : built
  relation = Promise.resolve(complete)
  return complete
}

async function describe(): Promise<Description> {
  const { columns, rows } = await source()
  return { columns: columns.map(({ expression, sql, echo, text, ...column }) => column), rows }
}

async function answer(command: Command): Promise<unknown> {
  switch (command.call) {
    case 'ping':
      return null
    case 'open':
      return open(command)
    case 'describe':
      return describe()
    case 'span':
      return spanOf(database, await source(), command.query)
    case 'entities':
      return entitiesOf(database, await source(), command.query)
    case 'growing':
      return growingOf(database, await source(), command.query)
    case 'features': {
      const limits = (opened as { command: OpenCommand }).command
      return { rows: await streamFeatures(database, await source(), command.query, limits) }
    }
    case 'writeScored':
      return writeScored(database, await completeSource(), command.query, opened?.command.outputPath ?? null)
    case 'arrowScored':
      return { rows: await streamScored(database, await completeSource(), command.query) }
    case 'aggregate':
      return aggregateScored(database, await source(), command.query)
  }
}

/** Names of the columns, when the source got as far as having some. */
async function columnNames(): Promise<readonly string[]> {
  const built = await relation?.catch(() => null)
  return built?.columns.map((column) => column.name) ?? []
}

/** The value that an error of conversion is about, where the format can find it; the database tells neither line nor column. */
async function misfitOf(error: unknown): Promise<Error | null> {
  if (!(error instanceof Error) || !/^Conversion Error/.test(error.message)) return null
  const built = await relation?.catch(() => null)
  return (await built?.misfit?.()) ?? null
}

/** Anything that moves while work is going on: rows read, rows fed, bytes written. A hanging process has no heart beat. */
function marker(): string {
  const rows = database.connection.progress.rows_processed
  const output = opened?.command.outputPath ?? null
  const written = output === null ? 0 : (statSync(output, { throwIfNoEntry: false })?.size ?? 0)
  return `${rows} ${database.feed.rows} ${written}`
}

async function run(command: Command): Promise<void> {
  let before = ''
  database.feed.failure = null
  database.scores.failure = null
  database.times.failure = null
  const beat = setInterval(() => {
    const now = marker()
    if (now !== before) send(FRAME.beat)
    before = now
  }, BEAT_MS)
  try {
    sendJson(FRAME.result, await answer(command))
  } catch (error) {
    // What our own functions threw comes back as the database's error; theirs is the one that tells.
    const cause = database.feed.failure ?? database.scores.failure ?? database.times.failure ?? error
    const told = (await misfitOf(cause)) ?? cause
    sendJson(FRAME.error, failureOf(told, opened?.command.format ?? 'parquet', await columnNames()))
  } finally {
    clearInterval(beat)
  }
}

// A closed pipe means that nobody wants the answer any more. An orderly exit would wait for the statement that runs.
const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.kill(process.pid, 'SIGKILL'))
let turn: Promise<void> = Promise.resolve()
lines.on('line', (line) => {
  turn = turn.then(() => run(JSON.parse(line) as Command))
})
send(FRAME.ready)
