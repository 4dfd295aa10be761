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

export function topRows(facts: ReportFacts, aggregate: ReportAggregate): string {
  const columns = [...rowColumns(facts, aggregate), ...featureColumns(facts, aggregate)]
  const heads = columns.map(({ head }) => head).join('')
  const rows = aggregate.top.map((row) => `<tr>${columns.map(({ cell }) => cell(row)).join('')}</tr>`)
  return `<section class="flow"><h2>Most anomalous rows</h2><p class="soft">${whichRows(aggregate)} Under each feature stands its usual range, the 5th to the 95th percentile of training; ▲ and ▼ mark values above and below it.${foldedFeatures(aggregate)}</p>${scrollTable('Most anomalous rows', heads, rows.join(''))}</section>`
}

/** A column of the table: its head, and its cell of a row. */
interface Column {
  readonly head: string
  readonly cell: (row: TopRow) => string
}

/** What is told beside the features; a column without a value is left out. */
function rowColumns({ document, zone }: ReportFacts, { top, threshold }: ReportAggregate): Column[] {
  // Seconds are told only where they tell something.
  const length = top.every(({ time }) => time === null || formatTime(time, zone).endsWith(':00')) ? 16 : 19
  const column = (isShown: boolean, head: string, cell: Column['cell']) => (isShown ? [{ head, cell }] : [])
  const has = (part: 'time' | 'entity' | 'label') => top.some((row) => row[part] !== null)
  const timeHead = `<th class="left" scope="col">time<span>${escapeText(document.timeContext.timeZone)}</span></th>`
  return [
    ...column(true, '<th scope="col">row</th>', ({ row }) => `<th scope="row">${formatCount(row)}</th>`),
    ...column(true, '<th scope="col">score</th>', ({ score }) => {
      return `<td${score > threshold ? ' class="out"' : ''}>${formatScore(score)}</td>`
    }),
    ...column(has('time'), timeHead, ({ time }) => {
      return `<td class="left">${time === null ? 'none' : formatTime(time, zone).slice(0, length)}</td>`
    }),
    ...column(has('entity'), '<th class="left" scope="col">entity</th>', ({ entity }) => {
      return `<td class="left"><bdi>${entity === null ? 'none' : escapeText(shownName(entity, 40))}</bdi></td>`
    }),
    ...column(has('label'), '<th class="left" scope="col">label</th>', ({ label }) => {
      return `<td class="left">${label === 1 ? 'anomaly' : label === 0 ? 'no' : 'none'}</td>`
    }),
  ]
}

function featureColumns({ document }: ReportFacts, { features }: ReportAggregate): Column[] {
  return features.map(({ feature: index }, place) => {
    const feature = document.features[index]!
    const range = rangeOf(feature)!
    const unit = unitOf(feature.name)
    const usual = formatRange(range.usualLow, range.usualHigh, unit)
    return {
      head: `<th scope="col"><bdi title="${escapeText(shownName(feature.name, 200))}">${escapeText(shownName(feature.name, 48))}</bdi><span>${usual}</span></th>`,
      cell: ({ values }) => valueCell(values[place] ?? null, range, unit),
    }
  })
}

function valueCell(value: number | null, range: FeatureRange, unit: string): string {
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
