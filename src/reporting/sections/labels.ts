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
  const counts = scrollTable(
    'Confusion counts',
    '<th class="left" scope="col">rows</th><th scope="col">flagged</th><th scope="col">not flagged</th>',
    `<tr><th class="left" scope="row">anomaly</th>${cell(tp, false)}${cell(fn, true)}</tr><tr><th class="left" scope="row">no anomaly</th>${cell(fp, true)}${cell(tn, false)}</tr>`,
  )
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
    const told = [own.events, random.events].map(({ found, events, medianDelaySeconds, falseAlarmsPerEntityDay }) => [
      `${found} of ${events}`,
      medianDelaySeconds === null ? 'none' : formatDuration(medianDelaySeconds * 1e6),
      falseAlarmsPerEntityDay === null ? 'none' : formatNumber(falseAlarmsPerEntityDay, 3),
    ])
    const names = ['events found', 'median delay', 'false alarms per entity and day']
    names.forEach((name, index) => {
      rows.push([name, told[0]![index]!, told[1]![index]!])
    })
  }
  const body = rows.map(([name, value, chance]) => {
    return `<tr><th class="left" scope="row">${name}</th><td>${value}</td><td class="soft">${chance}</td></tr>`
  })
  return scrollTable(
    'Figures beside those of chance',
    '<th class="left" scope="col">at the threshold</th><th scope="col">this model</th><th scope="col">chance</th>',
    body.join(''),
  )
}

/** A table with one row of heads, in a box that scrolls by touch and by keys; all of it is HTML. */
export function scrollTable(label: string, heads: string, rows: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></div>`
}
