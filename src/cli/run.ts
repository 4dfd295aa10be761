/**
 * `deepwatch run`: the whole pipeline. Trains on the files, scores them once, and makes everything else from those
 * scores. It works in a state folder inside the output folder, which is gone afterwards, and puts the files in place when all
 * of them are complete, `summary.json` last.
 */
import { createReadStream } from 'node:fs'
import { lstat, mkdir, readdir, rename, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { DeepWatchError } from '../errors.ts'
import { artefactName } from '../registry/index.ts'
import { type ScoreSummary, type TrainSettings, trainSettings, type VersionDocument } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import { software } from '../software.ts'
import type { Source } from '../sources/index.ts'
import type { Trained } from '../training/index.ts'
import type { Progress, Work } from '../work.ts'
import type { Call } from './command.ts'
import { withChosenDetector } from './detector.ts'
import { givenTelemetry, type Telemetry } from './given.ts'
import { show, storageFailure } from './output.ts'
import { withTelemetry, withTemporaryHome } from './session.ts'
import { evaluationTable, tellScoring, tellTraining } from './summary.ts'

/** In the order in which they are put in place. */
const fileNames = ['model', 'scores.parquet', 'anomaly_chart.png', 'report.html', 'summary.json'] as const

type Made = Awaited<ReturnType<typeof pipeline>>

export async function run(call: Call): Promise<number> {
  const started = performance.now()
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
      const made = await withTelemetry(call, home, telemetry, (service, upload) =>
        pipeline(call, service, settings, telemetry, upload, { home, ready }),
      )
      call.work.progress.end()
      const summary = summaryOf(call, made, (performance.now() - started) / 1000)
      await writeFile(join(ready, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`)
      call.work.signal.throwIfAborted()
      for (const file of fileNames) await rename(join(ready, file), join(folder.path, file))
      if (call.isOn('json')) await call.print(`${JSON.stringify(summary)}\n`)
      return made
    }).catch((error: unknown) => {
      throw error instanceof DeepWatchError || call.work.signal.aborted ? error : storageFailure(error, out)
    })
    await conclude(call, made, out, (performance.now() - started) / 1000)
    return 0
  } catch (error) {
    await folder.giveUp()
    throw error
  }
}

/** Everything but the summary, into `ready`. */
async function pipeline(
  { work }: Call,
  service: Service,
  settings: TrainSettings,
  { source }: Telemetry,
  upload: Source | null,
  { home, ready }: { readonly home: string; readonly ready: string },
) {
  const { progress } = work
  const watched: Progress = {
    begin(stage, rows) {
      // Reading keeps one processor busy and half of another: there is time to load what draws. Before it, everything else loads.
      if (stage === 'sampling') service.reporting.warm()
      progress.begin(stage, rows)
    },
    advance: progress.advance,
  }
  const trained = await service.training.trainAndScore({ ...settings, source }, upload, { ...work, progress: watched })
  try {
    return await conclusions(service, settings, { trained, source, upload }, { home, ready }, work)
  } finally {
    await trained.scores?.close()
  }
}

/** What follows from a training: the files, and the facts for the summary. */
async function conclusions(
  service: Service,
  settings: TrainSettings,
  {
    trained: { document, scores },
    source,
    upload,
  }: { readonly trained: Trained; readonly source: Telemetry['source']; readonly upload: Source | null },
  { home, ready }: { readonly home: string; readonly ready: string },
  work: Work,
) {
  const { model, version } = document
  // Written, not copied: the file is the user's and gets the mode that theirs have.
  await writeFile(join(ready, 'model'), createReadStream(join(home, 'models', model, artefactName(version))))
  const scored = { model: `${model}@${version}`, source, ...(settings.window ? { window: settings.window } : {}) }
  // The reading process writes the table while the flags are judged; drawing has a thread of its own. Only the latter tell how far they are.
  const quietly = { signal: work.signal, log: work.log }
  const [written, judged] = await Promise.allSettled([
    (async () => {
      const run = await service.scoring.scoreTable(scored, upload, quietly, { known: scores })
      try {
        const table = await run.toParquet(false)
        await rename(table.path, join(ready, 'scores.parquet'))
        return table.summary
      } finally {
        await run.close()
      }
    })(),
    (async () => {
      const run = await service.scoring.scoreTable(scored, upload, work, { isReport: true, known: scores })
      try {
        const [chart, report] = await Promise.all([
          service.reporting.chartOf(run, work),
          service.reporting.ofRun(run, work),
        ])
        work.progress?.begin('writing', document.training.rowsInWindow)
        await writeFile(join(ready, 'anomaly_chart.png'), chart.body)
        await writeFile(join(ready, 'report.html'), (await report.render('html')).body)
        return report.facts
      } finally {
        await run.close()
      }
    })(),
  ])
  if (written.status === 'rejected') throw written.reason
  if (judged.status === 'rejected') throw judged.reason
  const { evaluation, gaps } = judged.value
  return { document, counts: written.value, evaluation, notes: gaps }
}

/** What `summary.json` holds. */
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

async function conclude(call: Call, { document, counts, evaluation, notes }: Made, out: string, seconds: number) {
  tellTraining(call, document satisfies VersionDocument)
  tellScoring(call, counts satisfies ScoreSummary)
  if (evaluation) call.tell(evaluationTable(evaluation).trimEnd())
  for (const note of notes) call.tell(`note: ${note}`)
  call.tell(`${seconds.toFixed(1)} s; open ${join(out, 'report.html')}`)
}

/** The first file's name as a model may be called. */
function nameAfter(operand: string | undefined): string {
  const stem = basename(operand ?? '').replace(/\.[a-z.]+$/i, '')
  const name = stem
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
    const there: string[] = []
    for (const name of await readdir(path)) if ((fileNames as readonly string[]).includes(name)) there.push(name)
    for (const name of there) {
      if ((await lstat(join(path, name))).isDirectory()) throw wrong(`--out: ${show(join(out, name))} is a folder.`)
    }
    if (there.length > 0 && !isForced) {
      throw wrong(`--out: ${show(out)} holds ${there.join(', ')} already; --force replaces them.`)
    }
    return { path, giveUp: async () => void (made && (await rmdir(path).catch(() => {}))) }
  } catch (error) {
    if (error instanceof DeepWatchError) throw error
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => true,
    )
    throw isFolder ? storageFailure(error, out) : wrong(`--out: ${show(out)} is not a folder.`)
  }
}

const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)
