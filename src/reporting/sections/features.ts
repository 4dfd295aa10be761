/** Every feature with a small picture: what training saw, and where the flagged rows lie. */
import { rangeOf } from '../../aggregate/index.ts'
import type { FeatureProfile, ReportFacts } from '../../schemas/index.ts'
import {
  drawChart,
  escapeText,
  type FeatureFacts,
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
    const chart = featureValues({
      feature,
      training: trained.get(index) ?? null,
      flagged: found?.counts ?? null,
    } satisfies FeatureFacts)
    if (chart === null) continue
    items.push(
      `<li><h3><bdi>${escapeText(shownName(feature.name, 80))}</bdi></h3>${await drawChart(chart, `feature-${index}`)}<p class="soft">${words(feature.name, feature.profile, found, flagged)}</p></li>`,
    )
  }
  const rest = drawable.length - shown.length
  const clock = document.features.length - document.features.filter(({ kind }) => kind !== 'timeContext').length
  const derived = document.features.filter(({ kind }) => kind === 'derived').length
  const notes = [
    rest > 0
      ? `${plural(rest, 'feature')} whose flagged rows are less unusual ${rest === 1 ? 'is' : 'are'} not shown.`
      : '',
    clock > 0 ? 'The model also looks at the clock.' : '',
    derived > 0
      ? `${plural(derived, 'feature')} derived from trailing rows ${derived === 1 ? 'has' : 'have'} no picture.`
      : '',
  ].filter((note) => note !== '')
  const key =
    flagged > 0
      ? '<span class="key k-usual"></span>training, upwards; <span class="key k-flagged"></span>flagged rows, downwards, each to its own scale; <span class="key k-band"></span>usual, the 5th to the 95th percentile of training. A bar apart stands for everything beyond the range shown.'
      : '<span class="key k-usual"></span>training; <span class="key k-band"></span>usual, the 5th to the 95th percentile of training. A bar apart stands for everything beyond the range shown.'
  return `<section class="flow"><h2>Features</h2><p class="soft">${key} ${notes.join(' ')}</p><ul class="features">${items.join('')}</ul></section>`
}

interface Found {
  readonly missing: number
  readonly belowUsual: number
  readonly aboveUsual: number
}

function words(
  name: string,
  { quantiles, constant, min, missing }: FeatureProfile,
  found: Found | undefined,
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
  return [
    usual,
    outside.length === 0
      ? 'flagged rows all usual'
      : Math.max(...parts.map(([rows]) => rows)) > telling * flagged
        ? `<span class="flag">flagged: ${outside.join(', ')}</span>`
        : `flagged: ${outside.join(', ')}`,
    ...gaps,
  ].join(' · ')
}
