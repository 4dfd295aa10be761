/** `deepwatch run`: trains, scores once, makes everything from those scores, and puts the files in place when all are complete. */
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rename, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { DeepWatchError } from '../errors.ts'
import { artefactName } from '../registry/index.ts'
import { type ScoreSummary, type TrainSettings, trainSettings } from '../schemas/index.ts'
import type { TableRun } from '../scoring/index.ts'
import type { Service } from '../service.ts'
import { software } from '../software.ts'
import type { Progress } from '../work.ts'
import type { Call } from './command.ts'
import { withChosenDetector } from './detector.ts'
import { givenTelemetry, type Telemetry } from './given.ts'
import { storageFailure } from './output.ts'
import { withTelemetry, withTemporaryHome } from './session.ts'
import { evaluationTable, tellScoring, tellTraining } from './summary.ts'
import { show, wrong } from './usage.ts'

/** In the order in which they are put in place. */
const fileNames = ['model', 'scores.parquet', 'anomaly_chart.png', 'report.html', 'summary.json'] as const

export async function run(call: Call): Promise<number> {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const out = call.text('out')
  if (out === undefined) throw wrong('--out is needed: the folder for the results.')
  const name = call.text('model') ?? nameAfter(call.operands[0])
  const settings = call.check(trainSettings, { ...withChosenDetector(call.settings), model: name })
  const telemetry = await givenTelemetry(call)
  const folder = await openFolder(out, call.isOn('force'))
  try {
    const made = await withTemporaryHome(folder.path, async (home) => {
      const ready = join(home, 'ready')
      await mkdir(ready)
      const made = await make(call, settings, telemetry, home, ready)
      call.work.progress.end()
      const summary = summaryOf(call, made, seconds())
      await writeFile(join(ready, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`)
      call.work.signal.throwIfAborted()
      for (const file of fileNames) await rename(join(ready, file), join(folder.path, file))
      if (call.isOn('json')) await call.printJson(summary)
      return made
    }).catch((error: unknown) => {
      throw error instanceof DeepWatchError || call.work.signal.aborted ? error : storageFailure(error, out)
    })
    tellTraining(call, made.document)
    tellScoring(call, made.counts)
    if (made.evaluation) call.tell(evaluationTable(made.evaluation).trimEnd())
    for (const note of made.notes) call.tell(`note: ${note}`)
    call.tell(`${seconds().toFixed(1)} s; open ${join(out, 'report.html')}`)
    return 0
  } catch (error) {
    await folder.giveUp()
    throw error
  }
}

type Made = Awaited<ReturnType<typeof make>>

/** Everything but the summary, into `ready`: the files, and the facts for the summary. */
function make(call: Call, settings: TrainSettings, telemetry: Telemetry, home: string, ready: string) {
  const { work } = call
  const { source } = telemetry
  return withTelemetry(call, home, telemetry, async (service, upload) => {
    const progress = warming(service, work.progress)
    const { document, scores } = await service.training.trainAndScore({ ...settings, source }, upload, {
      ...work,
      progress,
    })
    try {
      const { model, version } = document
      // Written, not copied: the file is the user's and gets the mode that theirs have.
      await writeFile(join(ready, 'model'), createReadStream(join(home, 'models', model, artefactName(version))))
      const scored = { model: `${model}@${version}`, source, ...(settings.window ? { window: settings.window } : {}) }
      // The reading process writes the table while the flags are judged; drawing has a thread of its own. Only the latter tell how far they are.
      const quietly = { signal: work.signal, log: work.log }
      const [written, judged] = await Promise.allSettled([
        service.scoring
          .scoreTable(scored, upload, quietly, { known: scores })
          .then((run) => closing(run, () => writeScores(run, ready))),
        service.scoring
          .scoreTable(scored, upload, work, { isReport: true, known: scores })
          .then((run) => closing(run, () => draw(service, run, work, ready, document.training.rowsInWindow))),
      ])
      if (written.status === 'rejected') throw written.reason
      if (judged.status === 'rejected') throw judged.reason
      const { evaluation, gaps } = judged.value
      return { document, counts: written.value, evaluation, notes: gaps }
    } finally {
      await scores?.close()
    }
  })
}

/** Reading keeps one processor busy and half of another: there is time to load what draws. Before it, everything else loads. */
const warming = (service: Service, progress: Progress): Progress => ({
  begin(stage, rows) {
    if (stage === 'sampling') service.reporting.warm()
    progress.begin(stage, rows)
  },
  advance: progress.advance,
})

async function closing<Result>(run: TableRun, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use()
  } finally {
    await run.close()
  }
}

async function writeScores(run: TableRun, ready: string): Promise<ScoreSummary> {
  const table = await run.toParquet(false)
  await rename(table.path, join(ready, 'scores.parquet'))
  return table.summary
}

async function draw(service: Service, run: TableRun, work: Call['work'], ready: string, rows: number) {
  const [chart, report] = await Promise.all([service.reporting.chartOf(run, work), service.reporting.ofRun(run, work)])
  work.progress.begin('writing', rows)
  await writeFile(join(ready, 'anomaly_chart.png'), chart.body)
  await writeFile(join(ready, 'report.html'), (await report.render('html')).body)
  return report.facts
}

function summaryOf({ work }: Call, made: Made, seconds: number) {
  const { document, counts, evaluation, notes } = made
  return {
    deepwatch: software.version,
    node: process.version,
    createdAt: document.createdAt,
    seconds,
    stages: work.progress.stages,
    model: document.model,
    version: document.version,
    detector: document.detector,
    features: document.features.map(({ name }) => name),
    roles: document.roles,
    threshold: document.threshold,
    training: document.training,
    rows: counts.rows,
    anomalies: counts.anomalies,
    unscored: counts.unscored,
    evaluation,
    warnings: document.warnings,
    notes,
    files: fileNames,
  }
}

/** The first file's name as a model may be called. */
function nameAfter(operand = ''): string {
  const name = basename(operand)
    .replace(/\.[a-z.]+$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63)
  return name === '' ? 'telemetry' : name
}

/** Makes the folder, and refuses one that holds results already. `giveUp` removes it again if it was made here. */
async function openFolder(out: string, isForced: boolean): Promise<{ path: string; giveUp(): Promise<void> }> {
  const path = resolve(out)
  try {
    const made = await mkdir(path, { recursive: true })
    const there = (await readdir(path, { withFileTypes: true })).filter(({ name }) =>
      fileNames.some((file) => file === name),
    )
    const taken = there.find((each) => each.isDirectory())
    if (taken) throw wrong(`--out: ${show(join(out, taken.name))} is a folder.`)
    if (there.length > 0 && !isForced)
      throw wrong(
        `--out: ${show(out)} holds ${there.map(({ name }) => name).join(', ')} already; --force replaces them.`,
      )
    return { path, giveUp: async () => void (made && (await rmdir(path).catch(() => {}))) }
  } catch (error) {
    if (error instanceof DeepWatchError) throw error
    const found = await stat(path).catch(() => null)
    throw found?.isDirectory() === false ? wrong(`--out: ${show(out)} is not a folder.`) : storageFailure(error, out)
  }
}
