/** How good the flags are, where rows are labelled: counts, and figures beside those of chance. */
import type { Figures, ReportAggregate, ReportFacts } from '../../schemas/index.ts'
import { formatCount, formatDuration, formatNumber, formatShare, plural } from '../charts/index.ts'

type Labels = NonNullable<ReportAggregate['labels']>

export function judgement(
  { evaluation }: ReportFacts,
  { confusion, unlabelled }: Labels,
): { words: string; tables: string } {
  const { tp, fp, tn, fn } = confusion
  const left =
    unlabelled === 0 ? '' : ` ${plural(unlabelled, 'row')} without a label ${unlabelled === 1 ? 'is' : 'are'} left out.`
  const words = `<p class="soft">${plural(tp + fn, 'row')} of ${formatCount(tp + fp + tn + fn)} ${tp + fn === 1 ? 'is' : 'are'} labelled as an anomaly.${left}</p>`
  const cell = (count: number, isWrong: boolean) =>
    `<td${isWrong && count > 0 ? ' class="out"' : ''}>${formatCount(count)}</td>`
  const counts = `<div class="scroll" tabindex="0" role="region" aria-label="Confusion counts"><table><thead><tr><th class="left" scope="col">rows</th><th scope="col">flagged</th><th scope="col">not flagged</th></tr></thead><tbody><tr><th class="left" scope="row">anomaly</th>${cell(tp, false)}${cell(fn, true)}</tr><tr><th class="left" scope="row">no anomaly</th>${cell(fp, true)}${cell(tn, false)}</tr></tbody></table></div>`
  return { words, tables: counts + (evaluation === null ? '' : figures(evaluation, evaluation.random)) }
}

function figures(own: Figures, random: Figures): string {
  const score = (value: number) => value.toFixed(3)
  const rows: [string, string, string][] = [
    ['precision', formatShare(own.precision), formatShare(random.precision)],
    ['recall', formatShare(own.recall), formatShare(random.recall)],
    ['F1', score(own.f1), score(random.f1)],
    ['average precision', score(own.averagePrecision), score(random.averagePrecision)],
    ['ROC-AUC', score(own.rocAuc), score(random.rocAuc)],
    ['best F1 of any threshold', score(own.best.f1), score(random.best.f1)],
  ]
  if (own.events !== null && random.events !== null) {
    const delay = ({ medianDelaySeconds }: NonNullable<Figures['events']>) =>
      medianDelaySeconds === null ? 'none' : formatDuration(medianDelaySeconds * 1e6)
    const alarms = ({ falseAlarmsPerEntityDay }: NonNullable<Figures['events']>) =>
      falseAlarmsPerEntityDay === null ? 'none' : formatNumber(falseAlarmsPerEntityDay, 3)
    rows.push(
      [
        'events found',
        `${own.events.found} of ${own.events.events}`,
        `${random.events.found} of ${random.events.events}`,
      ],
      ['median delay', delay(own.events), delay(random.events)],
      ['false alarms per entity and day', alarms(own.events), alarms(random.events)],
    )
  }
  const body = rows
    .map(
      ([name, value, chance]) =>
        `<tr><th class="left" scope="row">${name}</th><td>${value}</td><td class="soft">${chance}</td></tr>`,
    )
    .join('')
  return `<div class="scroll" tabindex="0" role="region" aria-label="Figures beside those of chance"><table><thead><tr><th class="left" scope="col">at the threshold</th><th scope="col">this model</th><th scope="col">chance</th></tr></thead><tbody>${body}</tbody></table></div>`
}
