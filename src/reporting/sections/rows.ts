/** The most anomalous rows, each value beside its usual range. */
import { rangeOf } from '../../aggregate/index.ts'
import type { FeatureRange } from '../../reader/index.ts'
import type { ReportAggregate, ReportFacts } from '../../schemas/index.ts'
import {
  escapeText,
  formatCount,
  formatRange,
  formatScore,
  formatTime,
  formatValue,
  plural,
  shownName,
  unitOf,
} from '../charts/index.ts'
import { scrollTable } from './labels.ts'

type TopRow = ReportAggregate['top'][number]

/** The columns that the table has beside row, score and features. */
interface Shown {
  readonly time: boolean
  readonly entity: boolean
  readonly label: boolean
}

interface FeatureColumn {
  readonly name: string
  readonly range: FeatureRange
  readonly unit: string
}

export function topRows(facts: ReportFacts, aggregate: ReportAggregate): string {
  const { document, zone } = facts
  const { top, threshold } = aggregate
  const shown: Shown = {
    time: top.some(({ time }) => time !== null),
    entity: top.some(({ entity }) => entity !== null),
    label: top.some(({ label }) => label !== null),
  }
  // Seconds are told only where they tell something.
  const length = top.every(({ time }) => time === null || formatTime(time, zone).endsWith(':00')) ? 16 : 19
  const columns = aggregate.features.map(({ feature: index }): FeatureColumn => {
    const feature = document.features[index]!
    return { name: feature.name, range: rangeOf(feature)!, unit: unitOf(feature.name) }
  })
  const rows = top.map((row) => {
    const time = row.time === null ? 'none' : formatTime(row.time, zone).slice(0, length)
    return tableRow(row, threshold, time, shown, columns)
  })
  const heads = tableHead(columns, shown, document.timeContext.timeZone)
  return `<section class="flow"><h2>Most anomalous rows</h2><p class="soft">${whichRows(aggregate)} Under each feature stands its usual range, the 5th to the 95th percentile of training; ▲ and ▼ mark values above and below it.${foldedFeatures(aggregate)}</p>${scrollTable('Most anomalous rows', heads, rows.join(''))}</section>`
}

function tableHead(columns: readonly FeatureColumn[], shown: Shown, timeZone: string): string {
  const features = columns.map(
    ({ name, range, unit }) =>
      `<th scope="col"><bdi title="${escapeText(shownName(name, 200))}">${escapeText(shownName(name, 48))}</bdi><span>${formatRange(range.usualLow, range.usualHigh, unit)}</span></th>`,
  )
  return [
    '<th scope="col">row</th><th scope="col">score</th>',
    shown.time ? `<th class="left" scope="col">time<span>${escapeText(timeZone)}</span></th>` : '',
    shown.entity ? '<th class="left" scope="col">entity</th>' : '',
    shown.label ? '<th class="left" scope="col">label</th>' : '',
    ...features,
  ].join('')
}

function tableRow(
  { row, score, entity, label, values }: TopRow,
  threshold: number,
  time: string,
  shown: Shown,
  columns: readonly FeatureColumn[],
): string {
  const name = entity === null ? 'none' : escapeText(shownName(entity, 40))
  const cells = [
    `<th scope="row">${formatCount(row)}</th>`,
    `<td${score > threshold ? ' class="out"' : ''}>${formatScore(score)}</td>`,
    shown.time ? `<td class="left">${time}</td>` : '',
    shown.entity ? `<td class="left"><bdi>${name}</bdi></td>` : '',
    shown.label ? `<td class="left">${label === 1 ? 'anomaly' : label === 0 ? 'no' : 'none'}</td>` : '',
    ...columns.map((column, place) => valueCell(values[place] ?? null, column)),
  ]
  return `<tr>${cells.join('')}</tr>`
}

function valueCell(value: number | null, { range, unit }: FeatureColumn): string {
  if (value === null) return '<td class="out">none</td>'
  const text = formatValue(value, unit)
  if (value > range.usualHigh) return `<td class="out"><span aria-label="above usual">▲</span> ${text}</td>`
  if (value < range.usualLow) return `<td class="out"><span aria-label="below usual">▼</span> ${text}</td>`
  return `<td>${text}</td>`
}

function whichRows({ top, threshold }: ReportAggregate): string {
  const flagged = top.filter(({ score }) => score > threshold).length
  const rows = plural(top.length, 'row')
  if (flagged === 0) return `No row is flagged; these ${rows} have the highest scores.`
  if (flagged === top.length) return `The ${rows} with the highest scores.`
  return `The ${rows} with the highest scores; the first ${formatCount(flagged)} ${flagged === 1 ? 'is' : 'are'} flagged.`
}

function foldedFeatures({ foldedFeatures: folded }: ReportAggregate): string {
  if (folded === 0) return ''
  return ` ${plural(folded, 'feature')} with fewer values outside of it ${folded === 1 ? 'is' : 'are'} left out.`
}
