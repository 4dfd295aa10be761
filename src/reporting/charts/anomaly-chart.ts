/** The one picture that tells the story by itself: the score over time, its threshold, flags and labels, and how scores lie. */
import type { ReportFacts } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { given } from './outline.ts'
import { light } from './palette.ts'
import { bucketWords, isSpread, scoreCourseSpec } from './score-course.ts'
import { type Distribution, scoreDistributionSpec } from './score-distribution.ts'
import { formatCount, formatShare, formatTime, plural } from './text.ts'

const width = 1000

/** `distribution` stands alone where nothing else is known. */
export function anomalyChart(facts: ReportFacts, distribution: Distribution): Chart {
  const { aggregate, document, zone } = facts
  const { rows, flagged } = distribution
  const share = rows === 0 ? '' : ` (${formatShare(flagged / rows)})`
  const summary = `${plural(flagged, 'row')} of ${formatCount(rows)} flagged${share}`
  const { timeZone } = document.timeContext
  const when =
    aggregate?.from == null
      ? ''
      : ` · ${formatTime(aggregate.from, zone)} to ${formatTime(aggregate.to!, zone)}, ${timeZone}`
  const subtitle = [summary + when]
  const plots = [scoreDistributionSpec(distribution, { width, height: 150 })]
  if (aggregate !== null) {
    const { course } = aggregate
    const every = `the highest and the mean score of every ${bucketWords(aggregate)}`
    const above = isSpread(course) ? every : 'the score of every row'
    subtitle.push(`Above: ${above}. Below: rows by score, counted logarithmically.`)
    if (course.stretches.length > 0) plots.unshift(scoreCourseSpec(facts, aggregate, { width, height: 280 }))
  }
  const title = `${document.model}@${document.version}: anomaly scores${facts.subject === 'version' ? ' in training' : ''}`
  return {
    title,
    description: summary + when,
    spec: {
      title: { text: given(title), subtitle: given(subtitle) },
      background: light.paper,
      padding: 24,
      vconcat: plots,
      spacing: 28,
      resolve: { scale: { color: 'independent' } },
    },
  }
}
