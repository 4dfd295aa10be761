/** `deepwatch score`: rows with a score, to standard output or a file. */
import { DeepWatchError } from '../errors.ts'
import { jsonPieces, ndjsonPieces, type Return, type RunOfRows } from '../http/index.ts'
import { type ScoreSettings, type ScoreSummary, scoreSettings } from '../schemas/index.ts'
import type { ScoringRun } from '../scoring/index.ts'
import type { Call } from './command.ts'
import { chooseFormat, refuseBinary, scoreFormats } from './format.ts'
import { givenTelemetry } from './given.ts'
import { moveInPlace, type Output, openTarget, toFile, toStdout } from './output.ts'
import { csvPieces } from './score-csv.ts'
import { withModel, withTelemetry } from './session.ts'
import { tellScoring } from './summary.ts'

type Format = (typeof scoreFormats)[number]

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
  const summary = await withModel(call, async (home, model) => {
    const settings = call.check(scoreSettings, { ...call.settings, model })
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, async (service, upload) => {
      const which = chooseReturn(settings, format)
      const output = format === 'parquet' || format === 'arrow' ? 'table' : 'rows'
      const run = await service.scoring.score({ ...settings, source: telemetry.source }, upload, output, call.work)
      try {
        if (format === 'parquet') return await writeParquet(run, which, out)
        return await writeStream(call, run, format, which, settings, out)
      } finally {
        await run.close()
      }
    })
  })
  call.work.progress.end()
  if (isJson && out !== '-') await call.print(`${JSON.stringify(summary)}\n`)
  else tellScoring(call, summary)
  return 0
}

/** As the service chooses; a wish that would change nothing is refused. */
function chooseReturn(settings: ScoreSettings, format: Format): Return {
  const which = settings.return ?? (format === 'json' ? 'anomalies' : 'all')
  const isTable = format === 'parquet' || format === 'arrow'
  if (which === 'none' && (isTable || format === 'csv')) {
    throw new DeepWatchError('unused_setting', '--return: none leaves nothing to write in this format.')
  }
  if (settings.include && (isTable || which === 'none')) {
    throw new DeepWatchError('unused_setting', '--include: this format holds every column of the source, or no row.')
  }
  return which
}

async function writeParquet(run: ScoringRun, which: Return, out: string): Promise<ScoreSummary> {
  const { path, summary } = await run.toParquet(which === 'anomalies')
  await moveInPlace(path, out)
  return summary
}

async function writeStream(
  call: Call,
  run: ScoringRun,
  format: Exclude<Format, 'parquet'>,
  which: Return,
  settings: ScoreSettings,
  out: string,
): Promise<ScoreSummary> {
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  const { counted, summary } = counting(run)
  try {
    for await (const piece of await piecesOf(counted, format, which, settings)) await output.write(piece)
    if (format === 'json') await output.write('\n')
    await output.finish()
  } finally {
    await output.discard()
  }
  return summary()
}

function piecesOf(run: CountedRun, format: Exclude<Format, 'parquet'>, which: Return, settings: ScoreSettings) {
  if (format === 'json') return jsonPieces(run, which)
  if (format === 'ndjson') return ndjsonPieces(run, which)
  if (format === 'csv') return csvPieces(run, which, settings.include ?? [])
  return run.toArrow(which === 'anomalies')
}

type CountedRun = RunOfRows & Pick<ScoringRun, 'toArrow'>

/** The run, and its counts once all rows were read. */
function counting(run: ScoringRun): { counted: CountedRun; summary: () => Promise<ScoreSummary> } {
  const { model, version, threshold } = run
  let seen: ScoreSummary | undefined
  async function* blocks() {
    seen = yield* run.blocks()
    return seen
  }
  return {
    counted: { model, version, threshold, blocks, toArrow: (anomaliesOnly) => run.toArrow(anomaliesOnly) },
    summary: async () => seen ?? (await run.summary()),
  }
}
