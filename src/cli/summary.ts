/** What commands say to people when they are done. */
import type { Evaluation, Figures, ScoreSummary, VersionDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { count } from './text.ts'

type Teller = Pick<Call, 'tell'>

/** What was learnt, and every warning. */
export function tellTraining({ tell }: Teller, document: VersionDocument): void {
  const { model, version, features, threshold, training, detector } = document
  tell(
    `${model}@${version}: learnt ${features.length} features from ${count(training.rowsUsed)} rows in ${training.seconds.toFixed(1)} s`,
  )
  tell(
    `threshold ${threshold.value.toPrecision(4)}: ${count(threshold.flaggedRows)} training rows above it (${percent(threshold.flaggedShare)})`,
  )
  for (const { what, why } of detector.choice ?? []) tell(`chosen: ${what}. ${why}`)
  for (const warning of document.warnings) tell(`note: ${warning.message}`)
}

/** What is known after scoring: a service tells no counts beside a table. */
export type ToldSummary = Pick<ScoreSummary, 'model' | 'version' | 'threshold'> & Partial<ScoreSummary>

/** What was found. */
export function tellScoring({ tell }: Teller, summary: ToldSummary): void {
  const { model, version, rows, anomalies = 0, unscored = 0, threshold } = summary
  if (rows === undefined) {
    tell(`${model}@${version}: scored; flags are above ${threshold.toPrecision(4)}`)
    return
  }
  const share = rows === unscored ? '' : ` (${percent(anomalies / (rows - unscored))})`
  const left = unscored > 0 ? `, ${count(unscored)} without a score` : ''
  tell(
    `${model}@${version}: ${count(anomalies)} of ${count(rows)} rows above ${threshold.toPrecision(4)}${share}${left}`,
  )
  for (const warning of summary.warnings ?? []) tell(`note: ${warning.message}`)
}

/** The figures, each beside what chance reaches. */
export function evaluationTable(evaluation: Evaluation): string {
  const { random } = evaluation
  const shown = (value: number) => value.toFixed(3)
  const row = (name: string, value: string, chance: string) =>
    `${name.padEnd(20)}${value.padStart(9)}${chance.padStart(9)}\n`
  const figure = (name: string, of: (figures: Figures) => number) => row(name, shown(of(evaluation)), shown(of(random)))
  const { tp, fp, tn, fn } = evaluation.confusion
  const { events } = evaluation
  return [
    row('', 'model', 'random'),
    figure('precision', ({ precision }) => precision),
    figure('recall', ({ recall }) => recall),
    figure('F1', ({ f1 }) => f1),
    figure('average precision', ({ averagePrecision }) => averagePrecision),
    figure('ROC-AUC', ({ rocAuc }) => rocAuc),
    figure('best F1', ({ best }) => best.f1),
    events && random.events
      ? row('events found', `${events.found}/${events.events}`, `${random.events.found}/${events.events}`)
      : '',
    events && random.events ? row('false alarms', count(events.falseAlarms), count(random.events.falseAlarms)) : '',
    `flagged right ${count(tp)}, flagged wrong ${count(fp)}, missed ${count(fn)}, left in peace ${count(tn)}\n`,
    `threshold ${evaluation.threshold.toPrecision(4)}; best F1 at ${evaluation.best.threshold.toPrecision(4)}\n`,
  ].join('')
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`
