/** `deepwatch score`: rows with a score, to standard output or a file. */
import { DeepWatchError } from '../errors.ts'
import { jsonPieces, ndjsonPieces, type Return, type RunOfRows } from '../http/index.ts'
import { type ScoreSettings, type ScoreSummary, scoreSettings } from '../schemas/index.ts'
import type { RowRun, TableRun } from '../scoring/index.ts'
import type { Call } from './command.ts'
import { chooseFormat, refuseBinary, scoreFormats } from './format.ts'
import { givenTelemetry } from './given.ts'
import { moveInPlace, type Output, openTarget, toFile, toStdout } from './output.ts'
import { csvPieces } from './score-csv.ts'
import { isRemote } from './server.ts'
import { namedModel, withModel, withTelemetry } from './session.ts'
import { type ToldSummary, tellScoring } from './summary.ts'

type Format = (typeof scoreFormats)[number]
type TableFormat = Extract<Format, 'parquet' | 'arrow'>
type RowFormat = Exclude<Format, TableFormat>

const isTable = (format: Format): format is TableFormat => format === 'parquet' || format === 'arrow'

export async function run(call: Call): Promise<number> {
  const out = call.text('out') ?? '-'
  // For programs the one document is the whole answer, unless the rows go to a file.
  const isJson = call.isOn('json')
  const format = chooseFormat(call, scoreFormats, isJson && out === '-' ? 'json' : 'ndjson')
  if (out === '-') refuseBinary(call, format)
  // Nobody waits for minutes to hear that there is no such folder.
  else await openTarget(out)
  if (isJson && out === '-' && format !== 'json') {
    throw new DeepWatchError(
      'conflicting_parameter',
      '--json and --format ask for different documents on standard output.',
    )
  }
  const summary = isRemote(call) ? await scoreWithService(call, format, out) : await scoreHere(call, format, out)
  call.work.progress.end()
  if (isJson && out !== '-') await call.print(`${JSON.stringify(summary)}\n`)
  else tellScoring(call, summary)
  return 0
}

async function scoreWithService(call: Call, format: Format, out: string): Promise<ToldSummary> {
  const given = { ...call.settings, model: namedModel(call) }
  const which = chooseReturn(call.check(scoreSettings, given), format)
  const { scoreThere } = await import('./remote-score.ts')
  return writing(call, out, (output) => scoreThere(call, { ...given, return: which }, format, output))
}

function scoreHere(call: Call, format: Format, out: string): Promise<ScoreSummary> {
  return withModel(call, async (home, model) => {
    const settings = call.check(scoreSettings, { ...call.settings, model })
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, async (service, upload) => {
      const which = chooseReturn(settings, format)
      const source = { ...settings, source: telemetry.source }
      return isTable(format)
        ? writeTable(call, await service.scoring.scoreTable(source, upload, call.work), format, which, out)
        : writeRows(call, await service.scoring.scoreRows(source, upload, call.work), format, which, settings, out)
    })
  })
}

/** As the service chooses; a wish that would change nothing is refused. */
function chooseReturn(settings: ScoreSettings, format: Format): Return {
  const which = settings.return ?? (format === 'json' ? 'anomalies' : 'all')
  if (which === 'none' && (isTable(format) || format === 'csv')) {
    throw new DeepWatchError('unused_setting', '--return: none leaves nothing to write in this format.')
  }
  if (settings.include && (isTable(format) || which === 'none')) {
    throw new DeepWatchError('unused_setting', '--include: this format holds every column of the source, or no row.')
  }
  return which
}

async function writeTable(
  call: Call,
  run: TableRun,
  format: TableFormat,
  which: Return,
  out: string,
): Promise<ScoreSummary> {
  const anomaliesOnly = which === 'anomalies'
  try {
    if (format === 'parquet') await moveInPlace((await run.toParquet(anomaliesOnly)).path, out)
    else await writePieces(call, await run.toArrow(anomaliesOnly), out)
    return await run.summary()
  } finally {
    await run.close()
  }
}

async function writeRows(
  call: Call,
  run: RowRun,
  format: RowFormat,
  which: Return,
  settings: ScoreSettings,
  out: string,
): Promise<ScoreSummary> {
  const { model, version, threshold } = run
  let summary: ScoreSummary | undefined
  async function* blocks() {
    summary = yield* run.blocks()
    return summary
  }
  try {
    const pieces = piecesOf({ model, version, threshold, blocks }, format, which, settings)
    await writePieces(call, pieces, out, format === 'json' ? '\n' : '')
    return summary!
  } finally {
    await run.close()
  }
}

function piecesOf(run: RunOfRows, format: RowFormat, which: Return, settings: ScoreSettings): AsyncIterable<string> {
  if (format === 'json') return jsonPieces(run, which)
  if (format === 'ndjson') return ndjsonPieces(run, which)
  return csvPieces(run, which, settings.include ?? [])
}

/** Writes all pieces, then `end`. */
function writePieces(call: Call, pieces: AsyncIterable<string | Uint8Array>, out: string, end = ''): Promise<void> {
  return writing(call, out, async (output) => {
    for await (const piece of pieces) await output.write(piece)
    if (end) await output.write(end)
  })
}

/** Hands out standard output, or a file that is there only when it is whole. */
async function writing<Result>(call: Call, out: string, write: (output: Output) => Promise<Result>): Promise<Result> {
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  try {
    const result = await write(output)
    await output.finish()
    return result
  } finally {
    await output.discard()
  }
}
