/** The score over time, or over the rows where there is no time: what was highest and what was usual in each time bucket. */
import { offsetAt } from '../../aggregate/index.ts'
import type { ReportAggregate, ReportFacts } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { type ChartSpec, given, givenColours } from './outline.ts'
import { light } from './palette.ts'
import { numbers, textOf, thresholdLine, thresholdWords } from './parts.ts'
import { formatCount, formatDuration, formatScore, plural } from './text.ts'

/** A line is broken at a gap this many times as long as most gaps are. */
const longestGap = 3
/** Up to so many scores each is a point: a short line, or one with gaps, would hide some. */
const maxPoints = 60

/** The chart with its words. `width` is the whole picture's, in pixels. */
export function scoreCourse(facts: ReportFacts, aggregate: ReportAggregate, width: number): Chart {
  const { course } = aggregate
  const what =
    course.unit === 'time'
      ? `Score over time (${facts.document.timeContext.timeZone})`
      : 'Score by position in the source'
  return {
    title: what,
    description: `${plural(aggregate.rows, 'row')} in stretches of ${bucketWords(aggregate)}; ${formatCount(aggregate.flagged)} above the threshold of ${formatScore(aggregate.threshold)}.`,
    spec: scoreCourseSpec(facts, aggregate, {
      width: width - (width < 500 ? 84 : 126),
      height: width < 500 ? 190 : 250,
    }),
  }
}

/** Whether some bucket has several scores, so that the mean is another one than the highest. */
export function isSpread({ stretches }: ReportAggregate['course']): boolean {
  return stretches.some(({ highest, mean }) => highest !== null && highest - mean! > 1e-9)
}

/** Whether some row is labelled as an anomaly. */
export function hasLabelled({ stretches }: ReportAggregate['course']): boolean {
  return stretches.some(({ labelled }) => labelled > 0)
}

/** How long a bucket is, in words. */
export function bucketWords({ course }: ReportAggregate): string {
  return course.unit === 'time' ? formatDuration(course.width) : plural(course.width, 'row')
}

/** The plot alone, to stand by itself or above another one. */
export function scoreCourseSpec(
  facts: ReportFacts,
  aggregate: ReportAggregate,
  { width, height }: { readonly width: number; readonly height: number },
): ChartSpec {
  const { course, threshold } = aggregate
  const isTime = course.unit === 'time'
  // Vega knows UTC and the machine's zone alone: local time is drawn as if it were UTC.
  const place = (at: number) => (isTime ? (at + offsetAt(facts.zone, at)) / 1000 : at)
  const points = pointsOf(course, place)
  const hasMean = isSpread(course)
  const scores = course.stretches.flatMap(({ highest, mean }) => (highest === null ? [] : [highest, mean!]))
  const low = Math.max(0, Math.min(threshold, ...scores) - 0.03)
  const high = Math.min(1, Math.max(threshold, ...scores) + 0.04)
  const first = place(course.first)
  const last = place(course.first + ((course.stretches.at(-1)?.index ?? 0) + 1) * course.width)
  const domain = given([first, last])
  const tickCount = Math.max(3, Math.round(width / (isTime ? 110 : 130)))
  const timeAxis = { title: null, grid: false, format: timeFormat, tickCount }
  const x = isTime
    ? { type: 'temporal', field: 'x', scale: { type: 'utc', domain }, axis: timeAxis }
    : numbers('x', domain, { title: 'row', grid: false, format: ',d', tickCount })
  const y = numbers('y', given([low, high]), { title: null, tickCount: 4, format: '.2f' })
  const scale = colours(aggregate)
  const colour = (name: string) => ({
    datum: name,
    scale,
    legend: { orient: 'top', direction: 'horizontal', title: null, columns: width < 400 ? 2 : 4, offset: 6 },
  })
  const layers: ChartSpec[] = []
  if (hasLabelled(course))
    layers.push({
      data: { values: labelledSpans(course, place) },
      mark: { type: 'rect', stroke: light.label, strokeWidth: 1.5 },
      encoding: { x, x2: { field: 'x2' }, color: colour('labelled anomaly') },
    })
  if (hasMean)
    layers.push({
      data: { values: points.map(({ x, mean }) => ({ x, y: mean })) },
      mark: { type: 'line', strokeWidth: 1.5, interpolate: 'linear' },
      encoding: { x, y, color: colour('mean score') },
    })
  layers.push(
    {
      data: { values: points.map(({ x, highest }) => ({ x, y: highest })) },
      mark: {
        type: 'line',
        strokeWidth: 1.5,
        interpolate: 'linear',
        point: points.length <= maxPoints && { size: 24 },
      },
      encoding: { x, y, color: colour(hasMean ? 'highest score' : 'score') },
    },
    {
      data: { values: [{ y: threshold }] },
      mark: thresholdLine,
      encoding: { y },
    },
    {
      data: { values: points.filter(({ flagged }) => flagged > 0).map(({ x, highest }) => ({ x, y: highest })) },
      mark: { type: 'point', filled: true, size: 34, opacity: 1 },
      encoding: { x, y, color: colour('flagged') },
    },
    {
      data: {
        values: [{ x: last, y: threshold, text: width < 400 ? formatScore(threshold) : thresholdWords(threshold) }],
      },
      // Beside the plot, where no line runs through it.
      mark: { type: 'text', align: 'left', baseline: 'middle', dx: 6, color: light.flagged },
      encoding: { x, y, text: textOf('text') },
    },
  )
  return { width, height, layer: layers }
}

/** Hours where hours tell, days where days do. */
const timeFormat = {
  year: '%Y',
  quarter: '%b %Y',
  month: '%b %Y',
  week: '%-d %b',
  date: '%-d %b',
  day: '%-d %b',
  hours: '%H:%M',
  minutes: '%H:%M',
  seconds: '%H:%M:%S',
  milliseconds: '%S.%L',
}

function colours({ course, flagged }: ReportAggregate) {
  const all = new Map([[isSpread(course) ? 'highest score' : 'score', light.score]])
  if (isSpread(course)) all.set('mean score', light.mean)
  if (flagged > 0) all.set('flagged', light.flagged)
  if (hasLabelled(course)) all.set('labelled anomaly', light.label)
  return { domain: given([...all.keys()]), range: givenColours([...all.values()], 4) }
}

/** One point in the middle of each bucket, and one without a value where the line breaks. */
function pointsOf({ stretches, first, width }: ReportAggregate['course'], place: (at: number) => number) {
  const points: { x: number; highest: number | null; mean: number | null; flagged: number }[] = []
  const gaps = stretches.slice(1).map(({ index }, place) => index - stretches[place]!.index)
  const usualGap = gaps.sort((a, b) => a - b)[gaps.length >> 1] ?? 1
  let before = stretches[0]?.index ?? 0
  for (const { index, highest, mean, flagged } of stretches) {
    const x = place(first + (index + 0.5) * width)
    if (index - before > longestGap * usualGap)
      points.push({ x: place(first + (before + 1) * width), highest: null, mean: null, flagged: 0 })
    points.push({ x, highest, mean, flagged })
    before = index
  }
  return points
}

/** Runs of buckets with a labelled row. */
function labelledSpans({ stretches, first, width }: ReportAggregate['course'], place: (at: number) => number) {
  const spans: { from: number; to: number }[] = []
  for (const { index, labelled } of stretches) {
    if (labelled === 0) continue
    const last = spans.at(-1)
    if (last && last.to === index) last.to = index + 1
    else spans.push({ from: index, to: index + 1 })
  }
  return spans.map(({ from, to }) => ({ x: place(first + from * width), x2: place(first + to * width) }))
}
