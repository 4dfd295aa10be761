/** Scores of a service, streamed into an output in the formats that the command writes without one. */
import { DeepWatchError, isErrorCode } from '../errors.ts'
import { csvHead, csvLine } from '../http/index.ts'
import type { ScoreSettings, ScoreSummary } from '../schemas/index.ts'
import type { Call } from './command.ts'
import type { Write } from './output.ts'
import { answeredBy, connect, upload } from './remote.ts'
import type { ToldSummary } from './summary.ts'

const types = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'application/x-ndjson',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
} as const

/** Sends the file and writes the answer. Errors: those of `upload`, and the one that NDJSON ends with. */
export async function scoreThere(
  call: Call,
  settings: ScoreSettings & Readonly<Record<string, unknown>>,
  format: keyof typeof types,
  write: Write,
): Promise<ToldSummary> {
  const remote = connect(call)
  const answer = await upload(call, remote, 'score', settings, { accept: types[format] })
  const pieces = remote.pieces(answer)
  if (format === 'ndjson') return writeLines(pieces, write, null)
  if (format === 'csv') return writeLines(pieces, write, settings.include ?? [])
  let tail = ''
  for await (const piece of pieces) {
    await write(piece)
    if (format === 'json') tail = (tail + piece.toString('latin1')).slice(-maxTail)
  }
  if (format === 'json') await write('\n')
  const [, rows, anomalies, unscored] = /"rows":(\d+),"anomalies":(\d+),"unscored":(\d+)\}$/.exec(tail) ?? []
  const told = { ...answeredBy(answer), threshold: Number(answer.headers['deepwatch-threshold']) }
  if (rows === undefined) return told
  return { ...told, rows: Number(rows), anomalies: Number(anomalies), unscored: Number(unscored) }
}

/** Longer than the counts at the end of a JSON answer. */
const maxTail = 128

/** Passes lines on, or as CSV with the columns of `include`, and gives the summary that stands in the last one. */
async function writeLines(pieces: AsyncIterable<Buffer>, write: Write, include: readonly string[] | null) {
  if (include) await write(csvHead(include))
  const decoder = new TextDecoder()
  let rest = ''
  let summary: ScoreSummary | undefined
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop()!
    const last = lines.at(-1) ?? ''
    if (last.startsWith('{"problem":')) throw problemIn(last)
    if (last.startsWith('{"summary":')) summary = read<{ summary: ScoreSummary }>(last).summary
    const rows = include && summary ? lines.slice(0, -1) : lines
    await write(rows.map((line) => (include ? csvLine(read(line), include) : `${line}\n`)).join(''))
  }
  if (summary) return summary
  throw new DeepWatchError('server_unreachable', 'The answer ended before its summary.')
}

function read<Document>(line: string): Document {
  try {
    return JSON.parse(line) as Document
  } catch (cause) {
    throw new DeepWatchError('server_unreachable', 'The answer has lines that are no JSON.', { cause })
  }
}

function problemIn(line: string): DeepWatchError {
  const { problem } = read<{ problem: { code: string; detail: string } }>(line)
  return new DeepWatchError(isErrorCode(problem.code) ? problem.code : 'internal_error', problem.detail)
}
