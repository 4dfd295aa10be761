/** Precision against recall for every threshold, and where the version's own threshold stands. */
import type { ReportAggregate } from '../../schemas/index.ts'
import type { Chart } from './draw.ts'
import { given } from './outline.ts'
import { light } from './palette.ts'
import { numbers, textOf } from './parts.ts'
import { formatShare } from './text.ts'

type Labels = NonNullable<ReportAggregate['labels']>

export function precisionRecall({ curve, confusion: { tp, fp, tn, fn } }: Labels, width: number): Chart {
  const base = (tp + fn) / (tp + fp + tn + fn)
  const own = { recall: tp / (tp + fn), precision: tp + fp === 0 ? null : tp / (tp + fp) }
  const side = Math.min(width - 60, 380)
  const axis = { format: '.0%', tickCount: 5 }
  const x = numbers('recall', [0, 1], { ...axis, title: 'recall: share of the anomalies that are flagged' })
  const y = numbers('precision', [0, 1], { ...axis, title: 'precision: share of the flags that are right' })
  const start = { recall: 0, precision: curve[0]?.precision ?? 0 }
  return {
    title: 'Precision against recall',
    description:
      own.precision === null
        ? 'Nothing is flagged at the threshold of the version.'
        : `At the version's threshold ${formatShare(own.precision)} precision and ${formatShare(own.recall)} recall; chance gives ${formatShare(base)} precision.`,
    spec: {
      width: side,
      height: Math.min(side, 280),
      layer: [
        {
          data: { values: [{ precision: base }] },
          mark: { type: 'rule', color: light.usual, strokeDash: [3, 3], strokeWidth: 1.2 },
          encoding: { y },
        },
        {
          data: { values: [{ recall: 0, precision: base, text: 'chance' }] },
          mark: {
            type: 'text',
            align: 'left',
            baseline: given(base > 0.9 ? 'top' : 'bottom'),
            dy: given(base > 0.9 ? 4 : -4),
            dx: 4,
            color: light.soft,
          },
          encoding: { x, y, text: textOf('text') },
        },
        {
          data: { values: [start, ...curve] },
          mark: { type: 'line', interpolate: 'step-before', color: light.score, strokeWidth: 2 },
          encoding: { x, y, order: { field: 'recall', type: 'quantitative' } },
        },
        ...(own.precision === null
          ? []
          : [
              {
                data: { values: [own] },
                mark: { type: 'point', filled: true, size: 110, color: light.flagged, opacity: 1 },
                encoding: { x, y },
              },
            ]),
      ],
    },
  }
}
