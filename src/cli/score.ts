/** `deepwatch score`: rows with a score, to standard output or a file. */
import { csvPieces, jsonPieces, ndjsonPieces, type Return, type RunOfRows } from '../http/index.ts'
import { type ScoreSettings, type ScoreSummary, scoreSettings } from '../schemas/index.ts'
import type { RowRun, TableRun } from '../scoring/index.ts'
import type { Call } from './command.ts'
import { chooseFormat, scoreFormats } from './format.ts'
import { givenTelemetry, isRemote, namedModel } from './given.ts'
import { moveInPlace, openTarget, writePieces, writing } from './output.ts'
import { scoreThere } from './remote-score.ts'
import { withModel, withTelemetry } from './session.ts'
import { type ToldSummary, tellScoring } from './summary.ts'
import { conflicting, unused } from './usage.ts'

type Format = (typeof scoreFormats)[number]
type TableFormat = Extract<Format, 'parquet' | 'arrow'>
type RowFormat = Exclude<Format, TableFormat>

const isTable = (format: Format): format is TableFormat => format === 'parquet' || format === 'arrow'

export async function run(call: Call): Promise<number> {
  const out = call.text('out') ?? '-'
  // For programs the one document is the whole answer, unless the rows go to a file.
  const isJson = call.isOn('json')
  const format = chooseFormat(call, scoreFormats, isJson && out === '-' ? 'json' : 'ndjson')
  // Nobody waits for minutes to hear that there is no such folder.
  if (out !== '-') await openTarget(out)
  if (isJson && out === '-' && format !== 'json')
    throw conflicting('--json and --format ask for different documents on standard output.')
  const summary = isRemote(call) ? await scoreWithService(call, format) : await scoreHere(call, format, out)
  call.work.progress.end()
  if (isJson && out !== '-') await call.printJson(summary)
  else tellScoring(call, summary)
  return 0
}

function scoreWithService(call: Call, format: Format): Promise<ToldSummary> {
  const given = { ...call.settings, model: namedModel(call) }
  const which = chooseReturn(call.check(scoreSettings, given), format)
  return writing(call, (write) => scoreThere(call, { ...given, return: which }, format, write))
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
        : writeRows(call, await service.scoring.scoreRows(source, upload, call.work), format, which, settings)
    })
  })
}

/** As the service chooses; a wish that would change nothing is refused. */
function chooseReturn(settings: ScoreSettings, format: Format): Return {
  const which = settings.return ?? (format === 'json' ? 'anomalies' : 'all')
  if (which === 'none' && (isTable(format) || format === 'csv')) {
    throw unused('--return: none leaves nothing to write in this format.')
  }
  if (settings.include && (isTable(format) || which === 'none')) {
    throw unused('--include: this format holds every column of the source, or no row.')
  }
  return which
}

async function writeTable(call: Call, run: TableRun, format: TableFormat, which: Return, out: string) {
  const anomaliesOnly = which === 'anomalies'
  try {
    if (format === 'parquet') await moveInPlace((await run.toParquet(anomaliesOnly)).path, out)
    else await writePieces(call, await run.toArrow(anomaliesOnly))
    return await run.summary()
  } finally {
    await run.close()
  }
}

async function writeRows(call: Call, run: RowRun, format: RowFormat, which: Return, settings: ScoreSettings) {
  const { model, version, threshold } = run
  let summary: ScoreSummary | undefined
  async function* blocks() {
    summary = yield* run.blocks()
    return summary
  }
  try {
    await writePieces(call, piecesOf({ model, version, threshold, blocks }, format, which, settings))
    return summary!
  } finally {
    await run.close()
  }
}

async function* piecesOf(run: RunOfRows, format: RowFormat, which: Return, settings: ScoreSettings) {
  if (format === 'ndjson') yield* ndjsonPieces(run, which)
  else if (format === 'csv') yield* csvPieces(run, which, settings.include ?? [])
  else {
    yield* jsonPieces(run, which)
    yield '\n'
  }
}
