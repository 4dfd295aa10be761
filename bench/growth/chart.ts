/** The chart of all axes: a column each, both scales logarithmic, so that a power of the size is a straight line. */
import type { Chart } from '../../src/reporting/charts/draw.ts'
import type { ChartSpec } from '../../src/reporting/charts/outline.ts'
import { light } from '../../src/reporting/charts/palette.ts'
import type { Axis, Measure, Point } from './axis.ts'

const size = { width: 178, height: 150 }
const colours = { training: light.flagged, scoring: light.score, service: light.labelInk }

export interface Measured {
  readonly axis: Axis
  readonly points: readonly Point[]
}

/** Every axis with its measures, those of one unit in one panel. */
export function growthChart(measured: readonly Measured[]): Chart {
  return {
    title: 'Growth',
    description: `Time and memory against ${measured.map(({ axis }) => axis.name).join(', ')}, on logarithmic scales.`,
    spec: {
      padding: 16,
      title: {
        text: 'Growth',
        subtitle:
          'Both scales logarithmic. Dashed: the growth that is expected, through the largest size; above it on the left are fixed costs.',
      },
      hconcat: measured.map(({ axis, points }) => ({
        vconcat: unitsOf(axis).map((unit, row) => panel(axis, unit, points, row === 0)),
        spacing: 52,
        bounds: 'flush',
      })),
      // The labels of a column count as part of it: with their panels alone, columns of columns are laid over each other.
      spacing: 24,
      bounds: 'full',
    },
  }
}

function unitsOf({ measures }: Axis): Measure['unit'][] {
  return [...new Set(measures.map(({ unit }) => unit))]
}

const logarithmic = (domain: readonly [number, number]) => ({ type: 'log', domain, nice: false })
/** 1, 10, 100, 1k, 1M; decades only, and the halves between them when there is only one. */
const label =
  "datum.value >= 1e6 ? datum.value / 1e6 + 'M' : datum.value >= 1e3 ? datum.value / 1e3 + 'k' : datum.value + ''"

function panel(axis: Axis, unit: Measure['unit'], points: readonly Point[], isTop: boolean): ChartSpec {
  const measures = axis.measures.filter((measure) => measure.unit === unit)
  const sizes = points.map((point) => point.size)
  const values = measures.flatMap(({ key, line }) =>
    points.map(({ size, figures }) => ({ size, value: figures[key]!, line })),
  )
  const expected = measures.flatMap(({ key, line, expected }) => {
    const last = points.at(-1)!
    return sizes.map((size) => ({ size, value: last.figures[key]! * (size / last.size) ** expected, line }))
  })
  const heights = values.map(({ value }) => value)
  const [least, most] = [Math.min(...heights), Math.max(...heights)]
  const x = {
    field: 'size',
    type: 'quantitative',
    scale: logarithmic([sizes[0]!, sizes.at(-1)!]),
    axis: { title: axis.name, values: ticks(sizes[0]!, sizes.at(-1)!), labelExpr: label },
  }
  // A decade at least, lest a flat line show its noise as hills.
  const widen = Math.max(1.25, Math.sqrt(10 / (most / least)))
  const domain = [least / widen, most * widen] as const
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: logarithmic(domain),
    axis: { title: unit, values: ticks(...domain), labelExpr: label },
  }
  const color = {
    field: 'line',
    type: 'nominal',
    scale: { domain: Object.keys(colours), range: Object.values(colours) },
    legend: null,
  }
  const names = measures.map(({ line }, n) => ({
    data: { values: [{ line }] },
    mark: { type: 'text', align: 'left', baseline: 'top', dx: 6, fontSize: 11 },
    encoding: { x: { value: 0 }, y: { value: 2 + 14 * n }, text: { field: 'line', type: 'nominal' }, color },
  }))
  return {
    ...size,
    ...(isTop
      ? { title: { text: axis.name, fontSize: 13, subtitle: axis.fixed, subtitleFontSize: 10, offset: 8 } }
      : {}),
    layer: [
      {
        data: { values: expected },
        mark: { type: 'line', clip: true, strokeDash: [4, 3], strokeWidth: 1, opacity: 0.7 },
        encoding: { x, y, color },
      },
      { data: { values }, mark: { type: 'line', point: { size: 28 }, strokeWidth: 1.8 }, encoding: { x, y, color } },
      ...names,
    ],
  }
}

/** Powers of ten; with 2 and 5 times of them where there are fewer than three. */
function ticks(from: number, to: number): number[] {
  const powers = Array.from({ length: 24 }, (_, n) => 10 ** (n - 8))
  const inside = (value: number) => value >= from * 0.999 && value <= to * 1.001
  const tens = powers.filter(inside)
  return tens.length >= 3 ? tens : powers.flatMap((power) => [power, 2 * power, 5 * power]).filter(inside)
}
