import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFleet, encodeFleet, type FleetParts, fleetNames } from '../../../src/kernels/scores/fleet.ts'
import { cutRuns, groupRows } from '../../../src/kernels/scores/grouping.ts'

const parts: FleetParts = {
  features: 2,
  names: ['a', 'größe', '\u{1f4a5}'],
  min: Float64Array.of(0, 1, 2, 3, Number.NEGATIVE_INFINITY, 5),
  max: Float64Array.of(10, 11, 12, 13, Number.POSITIVE_INFINITY, 15),
  shared: Uint8Array.of(1, 2, 3),
  models: [Uint8Array.of(4), null, new Uint8Array(16).fill(5)],
}

test('what was encoded is read again, models and ranges as views', () => {
  const bytes = encodeFleet(parts)
  const fleet = decodeFleet(bytes)
  expect(fleet).toMatchObject({ features: 2, entities: 3 })
  expect(fleetNames(bytes)).toEqual(parts.names)
  expect([0, 1, 2].map((entity) => fleet.modelOf(entity))).toEqual(parts.models)
  expect(fleet.shared).toEqual(parts.shared)
  expect(fleet.rangeOf(1)).toEqual({ min: Float64Array.of(2, 3), max: Float64Array.of(12, 13) })
  expect(fleet.shared.buffer).toBe(bytes.buffer)
})

test('bytes that do not start where words can are read, too', () => {
  const bytes = encodeFleet(parts)
  const moved = new Uint8Array(bytes.length + 3)
  moved.set(bytes, 3)
  expect(decodeFleet(moved.subarray(3)).modelOf(2)).toEqual(parts.models[2])
})

test('every cut and every damaged word of the directory is noticed, or changes no length', () => {
  const bytes = encodeFleet(parts)
  for (let length = 0; length < bytes.length; length++)
    expect(() => decodeFleet(bytes.slice(0, length))).toThrow(RangeError)
  const directory = 32 + 16 + 16
  for (let at = 0; at < directory; at++)
    for (const bit of [0, 3, 7]) {
      const damaged = bytes.slice()
      damaged[at] = damaged[at]! ^ (1 << bit)
      try {
        const fleet = decodeFleet(damaged)
        for (let entity = 0; entity < fleet.entities; entity++) fleet.modelOf(entity)
        expect(fleet.entities).toBe(3)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }
})

test('a name that is no text, or is there twice, is refused', () => {
  const twice = encodeFleet({ ...parts, names: ['a', 'b', 'b'] })
  expect(() => fleetNames(twice)).toThrow(RangeError)
  const bytes = encodeFleet(parts)
  bytes[32 + 16 + 16] = 0xff
  expect(() => fleetNames(bytes)).toThrow(RangeError)
})

test('rows come together by group, in their order, and every row once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(Number.NaN))),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 1, max: 5 }),
      (numbers, groups, most) => {
        const { order, runs } = groupRows(Float64Array.from(numbers), groups)
        expect(Array.from(order).sort((a, b) => a - b)).toEqual(numbers.map((_, row) => row))
        const groupOf = (row: number) => (numbers[row]! < groups ? numbers[row]! : groups)
        for (const { group, from, to } of runs) {
          const rows = Array.from(order.subarray(from, to))
          expect(new Set(rows.map(groupOf))).toEqual(new Set([group]))
          expect(rows).toEqual(rows.toSorted((a, b) => a - b))
        }
        const lists = cutRuns(runs, most)
        for (const list of lists)
          expect(list.reduce((sum, { from, to }) => sum + to - from, 0)).toBeLessThanOrEqual(most)
        const walked = lists.flat().flatMap(({ from, to }) => Array.from(order.subarray(from, to)))
        expect(walked).toEqual(Array.from(order))
      },
    ),
  )
})
