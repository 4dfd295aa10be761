import { describe, expect, test } from 'vitest'
import type { FeatureBlock, FeatureQuery } from '../../src/reader/types.ts'
import type { Telemetry } from '../../src/telemetry/telemetry.ts'
import { rememberBlocks } from '../../src/training/remembered.ts'
import { blockOf } from '../kernels/blocks.ts'

const query: FeatureQuery = { features: [{ name: 'a', kind: 'number' }], extra: { row: true, timestamp: true } }

/** Telemetry of blocks of two lanes whose memory is used again as soon as it is given back, and how often it was read. */
function reading(sizes: readonly number[], fails = false) {
  const told = { readings: 0, out: 0 }
  async function* features(): AsyncGenerator<FeatureBlock> {
    told.readings++
    let first = 0
    for (const size of sizes) {
      const block = blockOf(Array.from({ length: size }, (_, i) => [first + i, -first - i]))
      told.out++
      const release = () => {
        block.values.fill(Number.NaN)
        told.out--
      }
      yield { block, first, text: null, release }
      first += size
    }
    if (fails) throw new Error('broken off')
  }
  return { telemetry: { features } as unknown as Telemetry, told }
}

async function rowsOf(telemetry: Telemetry, asked = query): Promise<number[]> {
  const rows: number[] = []
  for await (const { block, first, release } of telemetry.features(asked)) {
    expect(first).toBe(rows.length)
    const { values, stride } = block
    for (let row = 0; row < block.rows; row++) {
      expect(values[stride + row]).toBe(-values[row]!)
      rows.push(values[row]!)
    }
    release()
  }
  return rows
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('remembered blocks', () => {
  test('are read once, and come again as often as they are asked for', async () => {
    const { telemetry, told } = reading([5, 5, 2])
    const remembered = rememberBlocks(telemetry, 1_000)
    expect(remembered.remembers(query)).toBe(false)
    for (let round = 0; round < 3; round++) expect(await rowsOf(remembered)).toEqual(numbers(12))
    expect(told).toEqual({ readings: 1, out: 0 })
  })

  test('are those of a query that asks for the same, however it is put down', async () => {
    const { telemetry, told } = reading([3])
    const remembered = rememberBlocks(telemetry, 1_000)
    await rowsOf(remembered)
    const same = { extra: { timestamp: true, row: true, label: undefined }, features: query.features }
    expect(remembered.remembers(same)).toBe(true)
    await rowsOf(remembered, same)
    expect(told.readings).toBe(1)
    const other = { ...query, extra: { row: true } }
    expect(remembered.remembers(other)).toBe(false)
    await rowsOf(remembered, other)
    expect(told.readings).toBe(2)
    expect(remembered.remembers(query)).toBe(false)
  })

  test('that are more than may be remembered are read every time', async () => {
    const { telemetry, told } = reading([5, 5])
    const remembered = rememberBlocks(telemetry, 159)
    for (let round = 0; round < 2; round++) expect(await rowsOf(remembered)).toEqual(numbers(10))
    expect(told).toEqual({ readings: 2, out: 0 })
    const enough = rememberBlocks(telemetry, 160)
    for (let round = 0; round < 2; round++) await rowsOf(enough)
    expect(told.readings).toBe(3)
  })

  test('of a reading that failed or was left are forgotten', async () => {
    const broken = rememberBlocks(reading([5], true).telemetry, 1_000)
    await expect(rowsOf(broken)).rejects.toThrow('broken off')
    expect(broken.remembers(query)).toBe(false)
    const left = rememberBlocks(reading([5, 5]).telemetry, 1_000)
    for await (const { release } of left.features(query)) {
      release()
      break
    }
    expect(left.remembers(query)).toBe(false)
  })

  test('have no text', async () => {
    const { telemetry, told } = reading([5])
    const remembered = rememberBlocks(telemetry, 1_000)
    const echoing = { ...query, include: ['a'] }
    for (let round = 0; round < 2; round++) await rowsOf(remembered, echoing)
    expect(told.readings).toBe(2)
  })
})
