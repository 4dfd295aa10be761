/** The most anomalous rows, each value beside its usual range. */
import { rangeOf } from '../../aggregate/index.ts'
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

export function topRows(facts: ReportFacts, aggregate: ReportAggregate): string {
  const { document, zone } = facts
  const { top } = aggregate
  const hasTime = top.some(({ time }) => time !== null)
  // Seconds are told only where they tell something.
  const length = top.every(({ time }) => time === null || formatTime(time, zone).endsWith(':00')) ? 16 : 19
  const hasEntity = top.some(({ entity }) => entity !== null)
  const hasLabel = top.some(({ label }) => label !== null)
  const columns = aggregate.features.map(({ feature: index }) => {
    const feature = document.features[index]!
    return { feature, range: rangeOf(feature)!, unit: unitOf(feature.name) }
  })
  const heads = columns.map(
    ({ feature, range, unit }) =>
      `<th scope="col"><bdi title="${escapeText(shownName(feature.name, 200))}">${escapeText(shownName(feature.name, 48))}</bdi><span>${formatRange(range.usualLow, range.usualHigh, unit)}</span></th>`,
  )
  const rows = top.map(({ row, score, time, entity, label, values }) => {
    const cells = columns.map(({ range, unit }, place) => {
      const value = values[place] ?? null
      if (value === null) return '<td class="out">none</td>'
      const isHigh = value > range.usualHigh
      const isLow = value < range.usualLow
      const mark = isHigh
        ? '<span aria-label="above usual">▲</span> '
        : isLow
          ? '<span aria-label="below usual">▼</span> '
          : ''
      return `<td${mark === '' ? '' : ' class="out"'}>${mark}${formatValue(value, unit)}</td>`
    })
    const flagged = score > aggregate.threshold
    return `<tr><th scope="row">${formatCount(row)}</th><td${flagged ? ' class="out"' : ''}>${formatScore(score)}</td>${hasTime ? `<td class="left">${time === null ? 'none' : formatTime(time, zone).slice(0, length)}</td>` : ''}${hasEntity ? `<td class="left"><bdi>${entity === null ? 'none' : escapeText(shownName(entity, 40))}</bdi></td>` : ''}${hasLabel ? `<td class="left">${label === 1 ? 'anomaly' : label === 0 ? 'no' : 'none'}</td>` : ''}${cells.join('')}</tr>`
  })
  const flagged = top.filter(({ score }) => score > aggregate.threshold).length
  const which =
    flagged === 0
      ? `No row is flagged; these ${plural(top.length, 'row')} have the highest scores.`
      : flagged < top.length
        ? `The ${plural(top.length, 'row')} with the highest scores; the first ${formatCount(flagged)} ${flagged === 1 ? 'is' : 'are'} flagged.`
        : `The ${plural(top.length, 'row')} with the highest scores.`
  const folded =
    aggregate.foldedFeatures === 0
      ? ''
      : ` ${plural(aggregate.foldedFeatures, 'feature')} with fewer values outside of it ${aggregate.foldedFeatures === 1 ? 'is' : 'are'} left out.`
  return `<section class="flow"><h2>Most anomalous rows</h2><p class="soft">${which} Under each feature stands its usual range, the 5th to the 95th percentile of training; ▲ and ▼ mark values above and below it.${folded}</p><div class="scroll" tabindex="0" role="region" aria-label="Most anomalous rows"><table><thead><tr><th scope="col">row</th><th scope="col">score</th>${hasTime ? `<th class="left" scope="col">time<span>${escapeText(document.timeContext.timeZone)}</span></th>` : ''}${hasEntity ? '<th class="left" scope="col">entity</th>' : ''}${hasLabel ? '<th class="left" scope="col">label</th>' : ''}${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`
}
