import { describe, expect, test } from 'vitest'
import type { PreparedForSmallBatch } from '../../src/detectors/detector.ts'
import { detector } from '../../src/detectors/isolation-forest.ts'
import { createSmallBatchScoring } from '../../src/pool/small-batch.ts'
import type { ScoringModel } from '../../src/pool/types.ts'
import { scoreAll, train } from '../detectors/train.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'

const rows = normalRows(300, 3)
const { payload: bytes } = train(detector, blockOf(rows))
const payload = new SharedArrayBuffer(bytes.length)
new Uint8Array(payload).set(bytes)
const model = (key: string): ScoringModel => ({ key, detector: detector.id, payload, features: 3, fill: null })
const calls = 64

/** Few scoring for which the test prepares the models. */
function start(answer: () => PreparedForSmallBatch | null = () => detector.smallBatches!.prepare(bytes)) {
  const asked: string[] = []
  const few = createSmallBatchScoring(async ({ key }) => {
    asked.push(key)
    return answer()
  })
  const call = async (one: ScoringModel, rows = 1, times = calls) => {
    for (let i = 0; i < times; i++) few.count(one, rows)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { few, asked, call }
}

describe('few rows without a thread', () => {
  test('a model is prepared once, when calls have come for it again and again', async () => {
    const { few, asked, call } = start()
    await call(model('a'), 1, calls - 1)
    expect([asked, few.takes(model('a'), 1)]).toEqual([[], false])
    const into = { scores: new Float64Array(1), flags: new Uint8Array(1) }
    expect(() => few.score(model('a'), blockOf(rows.slice(0, 1)), into)).toThrow('not prepared')
    await call(model('a'), 1, 1)
    await call(model('a'))
    expect([asked, few.takes(model('a'), 1), few.takes(model('b'), 1)]).toEqual([['a'], true, false])
  })

  test('rows are scored as by a thread, in any memory', async () => {
    const { few, call } = start()
    await call(model('a'))
    const block = blockOf(rows.slice(0, 20))
    const into = { scores: new Float64Array(20), flags: new Uint8Array(20) }
    const seconds = few.score(model('a'), { ...block, values: Float64Array.from(block.values) }, into)
    expect(into).toEqual(scoreAll(detector, bytes, block))
    expect(seconds).toBeGreaterThan(0)
  })

  test('as many rows as take a hundred microseconds are, and never more than 128', async () => {
    for (const [maxRows, taken] of [
      [5, 5],
      [1000, 128],
    ] as const) {
      const { few, call } = start(() => ({ ...detector.smallBatches!.prepare(bytes)!, maxRows }))
      await call(model('a'))
      expect([few.takes(model('a'), taken), few.takes(model('a'), taken + 1)]).toEqual([true, false])
    }
  })

  test('many rows, models per entity, large models and other detectors are for the threads', async () => {
    const { few, asked, call } = start()
    const large = new SharedArrayBuffer(2 * 1024 * 1024 + 1)
    await call(model('rows'), 129)
    await call({ ...model('entities'), entities: 3 })
    await call({ ...model('large'), payload: large })
    await call({ ...model('other'), detector: 'k-nearest-neighbours' })
    expect(asked).toEqual([])
    for (const key of ['rows', 'entities', 'large', 'other']) expect(few.takes(model(key), 1)).toBe(false)
  })

  test('what cannot be prepared, or is not suited, stays with the threads and is not asked for at every call', async () => {
    const failing = () => {
      throw new Error('no thread left')
    }
    const damaged = () => ({ bytes: 1, maxRows: 1, model: null })
    for (const answer of [() => null, failing, damaged]) {
      const { few, asked, call } = start(answer)
      await call(model('a'), 1, 10 * calls)
      expect([asked, few.takes(model('a'), 1)]).toEqual([['a'], false])
    }
  })

  test('models are kept within a bound of bytes; one that comes back is prepared again', async () => {
    const { few, asked, call } = start(() => ({ ...detector.smallBatches!.prepare(bytes)!, bytes: 10 * 1024 * 1024 }))
    const keys = ['a', 'b', 'c', 'd']
    for (const key of keys) await call(model(key))
    expect(keys.map((key) => few.takes(model(key), 1))).toEqual([false, true, true, true])
    await call(model('a'))
    expect(keys.map((key) => few.takes(model(key), 1))).toEqual([true, false, true, true])
    expect(asked).toEqual([...keys, 'a'])
  })
})
