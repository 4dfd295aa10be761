/** Labels held from a pass over blocks come back as they were, and not at all when there are too many. */
import { expect, test } from 'vitest'
import type { FeatureBlock } from '../../src/reader/types.ts'
import { placesOf } from '../../src/telemetry/row-facts.ts'
import { holdLabels } from '../../src/training/report.ts'

/** Lanes behind one feature: entity, time, label. */
function blockOf(rows: readonly (readonly number[])[], lanes = 4): FeatureBlock {
  const stride = rows.length + 3
  const values = new Float64Array(new SharedArrayBuffer(8 * stride * lanes))
  rows.forEach((row, index) => {
    row.forEach((value, lane) => {
      values[lane * stride + index] = value
    })
  })
  return { block: { values, stride, rows: rows.length, columns: lanes }, first: 0, text: null, release: () => {} }
}

const places = placesOf(1, { timestamp: true, label: 'label', entity: true })

test('rows come back in order, stretch by stretch, whatever became of their block', () => {
  const held = holdLabels()
  const first = blockOf([
    [9, 0, 1000, 1],
    [9, 1, Number.NaN, Number.NaN],
  ])
  held.add(first, places)
  first.block.values.fill(7)
  held.add(blockOf([[9, 0, 3000, 0]]), places)
  // As often as they are asked for.
  for (const stretches of [held.rows()!, held.rows()!]) {
    const all = [...stretches]
    expect(all.map(({ rows, labels, times }) => ({ rows, labels: [...labels!], times: [...times!] }))).toEqual([
      { rows: 2, labels: [1, Number.NaN], times: [1000, Number.NaN] },
      { rows: 1, labels: [0], times: [3000] },
    ])
    const entities = all.flatMap(({ rows, text }) => Array.from({ length: rows }, (_, row) => text(row)))
    expect(entities[0]).toBe(entities[2])
    expect(entities[0]).not.toBe(entities[1])
  }
})

test('without a label nothing is held; without time and entity these are null', () => {
  const held = holdLabels()
  held.add(blockOf([[9]], 1), placesOf(1, {}))
  expect(held.rows()).toBeNull()
  held.add(blockOf([[9, 1]], 2), placesOf(1, { label: 'label' }))
  const [only] = [...held.rows()!]
  expect(only!.times).toBeNull()
  expect(only!.text(0)).toBeNull()
})

test('more rows than are ever ranked are let go, all of them', () => {
  const held = holdLabels()
  const rows = 1_000_001
  const values = new Float64Array(new SharedArrayBuffer(8 * 2 * rows))
  const piece = { block: { values, stride: rows, rows, columns: 2 }, first: 0, text: null, release: () => {} }
  const labelled = placesOf(1, { label: 'label' })
  held.add(piece, labelled)
  expect([...held.rows()!]).toHaveLength(1)
  held.add(piece, labelled)
  expect(held.rows()).toBeNull()
  held.add(blockOf([[9, 1]], 2), labelled)
  expect(held.rows()).toBeNull()
})
