/** Where rows are flagged: the entities with the most of them. */
import type { ReportAggregate } from '../../schemas/index.ts'
import {
  type Chart,
  formatCount,
  formatShare,
  given,
  light,
  numbers,
  plural,
  shownName,
  textOf,
} from '../charts/index.ts'

const maxShown = 15

export function flaggedEntities({ named }: NonNullable<ReportAggregate['entities']>, width: number): Chart {
  const isNarrow = width < 500
  const names = isNarrow ? 16 : 28
  const shown = named.slice(0, maxShown)
  const values = shown.map(({ entity, rows, flagged }, index) => ({
    index,
    flagged,
    name: entity === '' ? '(empty)' : shownName(entity, names),
    count: isNarrow
      ? formatCount(flagged)
      : `${formatCount(flagged)} of ${formatCount(rows)} (${formatShare(flagged / rows)})`,
  }))
  const longest = Math.max(...values.map(({ name }) => [...name].length))
  const left = longest * 7.4 + 14
  const max = Math.max(...shown.map(({ flagged }) => flagged))
  const y = { field: 'index', type: 'ordinal', axis: null, scale: { paddingInner: 0.35, paddingOuter: 0.1 } }
  // Room at the right for the count of the longest bar.
  const x = numbers('flagged', given([0, max * (isNarrow ? 1.25 : 1.5)]))
  return {
    title: 'Entities with the most flagged rows',
    description: values.map(({ name, flagged }) => `${name}: ${plural(flagged, 'row')}`).join('; '),
    spec: {
      width: given(Math.max(120, width - left - 8)),
      height: given(values.length * 24),
      data: { values },
      layer: [
        { mark: { type: 'bar', color: light.flagged, cornerRadiusEnd: 2 }, encoding: { x, y } },
        {
          mark: { type: 'text', align: 'right', dx: -8, color: light.ink },
          encoding: { y, x: { value: 0 }, text: textOf('name') },
        },
        {
          mark: { type: 'text', align: 'left', dx: 6, color: light.soft },
          encoding: { x, y, text: textOf('count') },
        },
      ],
    },
  }
}
