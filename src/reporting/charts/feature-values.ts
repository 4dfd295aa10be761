/** One feature: how training saw it, upwards, and where the flagged rows lie, downwards. */
import { binOf, featureBins, rangeOf } from '../../aggregate/index.ts'
import type { FeatureRange } from '../../reader/index.ts'
import type { Feature, FeatureProfile } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { light } from './palette.ts'
import { numbers, textOf, twoKinds } from './parts.ts'
import { formatValue, shownName, unitOf } from './text.ts'

interface FeatureFacts {
  readonly feature: Feature
  /** Training rows per bin; null when only quantiles are known. */
  readonly training: readonly number[] | null
  /** Flagged rows per bin; null when nobody knows them. */
  readonly flagged: readonly number[] | null
}

const chartWidth = 240
/** Of a bar, to each side: what lies beyond the range stands apart from it. */
const apart = 1.2

export function featureValues({ feature, training, flagged }: FeatureFacts): Chart | null {
  const range = rangeOf(feature)
  if (range === null) return null
  const bars = [
    ...barsOf(training ?? fromQuantiles(feature.profile, range), 1, 'training'),
    ...barsOf(flagged ?? [], -1, 'flagged'),
  ]
  const unit = unitOf(feature.name)
  const at = (value: number) =>
    Math.min(featureBins, Math.max(0, ((value - range.low) / (range.high - range.low)) * featureBins))
  const x = numbers('from', [-1 - apart, featureBins + 1 + apart])
  const y = numbers('y', [flagged === null ? 0 : -1, 1])
  const label = (value: number, dx: number, align: string) => ({
    data: { values: [{ from: at(value), text: formatValue(Number(value.toPrecision(3)), unit) }] },
    mark: { type: 'text', align, baseline: 'top', dx, dy: 4, color: light.soft },
    encoding: { x, y: { value: 'height' }, text: textOf('text') },
  })
  return {
    title: `${shownName(feature.name)}: training and flagged rows`,
    description: `Upwards the training rows by value, downwards the flagged rows. The line marks what is usual: the 5th to the 95th percentile, ${formatValue(range.usualLow, unit)} to ${formatValue(range.usualHigh, unit)}.`,
    spec: {
      width: chartWidth,
      height: flagged === null ? 60 : 92,
      layer: [
        {
          data: { values: bars },
          mark: { type: 'rect', stroke: null },
          encoding: {
            x,
            x2: { field: 'to' },
            y,
            y2: { datum: 0 },
            color: twoKinds(['training', 'flagged'], [light.usual, light.flagged]),
          },
        },
        {
          data: { values: [{ from: at(range.usualLow), to: at(range.usualHigh), y: 0 }] },
          mark: { type: 'rule', strokeWidth: 3, color: light.band },
          encoding: { x, x2: { field: 'to' }, y },
        },
        label(range.low, 0, 'left'),
        label(range.high, 0, 'right'),
      ],
    },
  }
}

/** Bars relative to the highest of them; the first and the last stand for what lies beyond the range. */
function barsOf(counts: readonly number[], direction: 1 | -1, kind: string) {
  const max = Math.max(...counts, 0)
  return counts.flatMap((count, index) => {
    if (count === 0) return []
    const from = index === 0 ? -1 - apart : index === counts.length - 1 ? featureBins + apart : index - 1
    // What is there is seen, however little it is beside the rest.
    return [{ from, to: from + 1, y: direction * Math.max(count / max, 0.03), kind }]
  })
}

/** Counts over the range as the quantiles tell them: evenly spread between one and the next. */
function fromQuantiles({ quantiles, min, max }: FeatureProfile, range: FeatureRange): number[] {
  const counts: number[] = Array(featureBins + 2).fill(0)
  const { p01, p05, p25, p50, p75, p95, p99 } = quantiles!
  const edges = [min ?? p01, p01, p05, p25, p50, p75, p95, p99, max ?? p99]
  const shares = [1, 4, 20, 25, 25, 20, 4, 1]
  const parts = 40
  shares.forEach((share, index) => {
    const [from, to] = [edges[index]!, edges[index + 1]!]
    for (let part = 0; part < parts; part++) {
      const value = from + ((to - from) * (part + 0.5)) / parts
      counts[binOf(value, range)]! += share / parts
    }
  })
  return counts
}
