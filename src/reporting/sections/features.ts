/** Every feature with a small picture: what training saw, and where the flagged rows lie. */
import { rangeOf } from '../../aggregate/index.ts'
import type { FeatureProfile, ReportAggregate, ReportFacts } from '../../schemas/index.ts'
import {
  drawChart,
  escapeText,
  featureValues,
  formatRange,
  formatShare,
  formatValue,
  plural,
  shownName,
  unitOf,
} from '../charts/index.ts'

/** Features with a picture where no aggregate has chosen them. */
const maxShown = 40
/** Of usual rows 5 in 100 lie above what is usual and 5 below: more than twice as many are worth a colour. */
const telling = 0.1

export async function featureList(facts: ReportFacts): Promise<string> {
  const { aggregate, document, profiles } = facts
  const drawable = document.features.flatMap((feature, index) => (rangeOf(feature) === null ? [] : [index]))
  const shown = aggregate ? aggregate.features.map(({ feature }) => feature) : drawable.slice(0, maxShown)
  if (shown.length === 0) return ''
  const trained = new Map(profiles.map(({ feature, counts }) => [feature, counts]))
  const flaggedOf = new Map(aggregate?.features.map((entry) => [entry.feature, entry]))
  const flagged = aggregate?.flagged ?? 0
  const items: string[] = []
  for (const index of shown) {
    const feature = document.features[index]!
    const found = flagged === 0 ? undefined : flaggedOf.get(index)
    const chart = featureValues({ feature, training: trained.get(index) ?? null, flagged: found?.counts ?? null })
    if (chart === null) continue
    items.push(
      `<li><h3><bdi>${escapeText(shownName(feature.name, 80))}</bdi></h3>${await drawChart(chart, `feature-${index}`)}<p class="soft">${words(feature.name, feature.profile, found, flagged)}</p></li>`,
    )
  }
  const rest = drawable.length - shown.length
  const count = (wanted: string) => document.features.filter(({ kind }) => kind === wanted).length
  const [clock, derived] = [count('timeContext'), count('derived')]
  const notes = [
    rest > 0
      ? `${plural(rest, 'feature')} whose flagged rows are less unusual ${rest === 1 ? 'is' : 'are'} not shown.`
      : '',
    clock > 0 ? 'The model also looks at the clock.' : '',
    derived > 0
      ? `${plural(derived, 'feature')} derived from trailing rows ${derived === 1 ? 'has' : 'have'} no picture.`
      : '',
  ].filter((note) => note !== '')
  const bars =
    flagged > 0
      ? 'training, upwards; <span class="key k-flagged"></span>flagged rows, downwards, each to its own scale'
      : 'training'
  const key = `<span class="key k-usual"></span>${bars}; <span class="key k-band"></span>usual, the 5th to the 95th percentile of training. A bar apart stands for everything beyond the range shown.`
  return `<section class="flow"><h2>Features</h2><p class="soft">${key} ${notes.join(' ')}</p><ul class="features">${items.join('')}</ul></section>`
}

function words(
  name: string,
  { quantiles, constant, min, missing }: FeatureProfile,
  found: ReportAggregate['features'][number] | undefined,
  flagged: number,
): string {
  const unit = unitOf(name)
  const usual = constant
    ? `always ${formatValue(min!, unit)} in training`
    : `usual ${formatRange(quantiles!.p05, quantiles!.p95, unit)}`
  const gaps = missing === 0 ? [] : [`${plural(missing, 'value')} missing in training`]
  if (!found) return [usual, ...gaps].join(' · ')
  const parts = [
    [found.aboveUsual, 'above'],
    [found.belowUsual, 'below'],
    [found.missing, 'missing'],
  ] as const
  const outside = parts.filter(([rows]) => rows > 0).map(([rows, where]) => `${formatShare(rows / flagged)} ${where}`)
  const text = outside.length === 0 ? 'flagged rows all usual' : `flagged: ${outside.join(', ')}`
  const isTelling = parts.some(([rows]) => rows > telling * flagged)
  return [usual, isTelling ? `<span class="flag">${text}</span>` : text, ...gaps].join(' · ')
}
