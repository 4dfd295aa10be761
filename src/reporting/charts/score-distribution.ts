/** How the scores are distributed, on a scale where a single row can be seen beside a million. */
import type { ReportAggregate } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { type ChartSpec, given } from './outline.ts'
import { light } from './palette.ts'
import { numbers, textOf, thresholdLine, thresholdWords, twoKinds } from './parts.ts'
import { formatCount, formatScore, plural } from './text.ts'

/** Scores in bars, and the score above which rows are flagged. */
export interface Distribution {
  readonly bars: ReportAggregate['scores']
  readonly threshold: number
  readonly flagged: number
  readonly rows: number
}

/** 1, 10, 100, 1k, 10k ... as Vega writes it. */
const shortCount =
  "datum.value >= 1e9 ? datum.value / 1e9 + 'G' : datum.value >= 1e6 ? datum.value / 1e6 + 'M' : datum.value >= 1e3 ? datum.value / 1e3 + 'k' : datum.value + ''"

export function scoreDistribution(distribution: Distribution, width: number): Chart {
  const { rows, flagged, threshold } = distribution
  return {
    title: 'Distribution of scores',
    description: `Rows by score, counted on a logarithmic scale: ${formatCount(flagged)} of ${plural(rows, 'row')} lie above the threshold of ${formatScore(threshold)}.`,
    spec: scoreDistributionSpec(distribution, { width: width - 54, height: width < 500 ? 160 : 200 }),
  }
}

export function scoreDistributionSpec(
  { bars, threshold }: Distribution,
  { width, height }: { readonly width: number; readonly height: number },
): ChartSpec {
  const max = Math.max(1, ...bars.map((bar) => bar.rows))
  const first = Math.min(threshold, bars[0]?.from ?? 0)
  const last = Math.max(threshold, bars.at(-1)?.to ?? 1)
  const ticks = Array.from({ length: Math.ceil(Math.log10(max)) + 1 }, (_, power) => 10 ** power)
  const domain = given([first - (last - first) * 0.01, last + (last - first) * 0.01])
  // The label stands on the side with more room.
  const isLeft = threshold > (first + last) / 2
  const axis = { title: 'score', grid: false, tickCount: 6, format: last - first < 0.06 ? '.3f' : '.2f' }
  const x = numbers('from', domain, axis)
  return {
    width,
    height,
    layer: [
      {
        data: {
          values: bars.map(({ from, to, rows, flagged }) => ({ from, to, rows, kind: flagged ? 'flagged' : 'usual' })),
        },
        mark: { type: 'rect', stroke: null },
        encoding: {
          x,
          x2: { field: 'to' },
          y: {
            field: 'rows',
            type: 'quantitative',
            scale: { type: 'symlog', domain: given([0, max * 1.3]), nice: false },
            axis: { title: 'rows', values: given([0, ...ticks]), labelExpr: shortCount },
          },
          y2: { datum: 0 },
          color: twoKinds(['usual', 'flagged'], [light.score, light.flagged]),
        },
      },
      {
        data: { values: [{ from: threshold }] },
        mark: thresholdLine,
        encoding: { x },
      },
      {
        data: { values: [{ from: threshold, text: thresholdWords(threshold) }] },
        mark: {
          type: 'text',
          align: given(isLeft ? 'right' : 'left'),
          baseline: 'top',
          dx: given(isLeft ? -6 : 6),
          color: light.flagged,
        },
        encoding: { x, y: { value: 0 }, text: textOf('text') },
      },
    ],
  }
}
