import { createRequire, syncBuiltinESMExports } from 'node:module'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { detector } from '../../src/detectors/isolation-forest.ts'
import { profileBlock, rowMarks } from '../../src/kernels/models/profile.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { encodeFleet } from '../../src/kernels/scores/fleet.ts'
import { rank } from '../../src/kernels/scores/ranking.ts'
import { isSame, scoreAll, train } from '../detectors/train.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'

// Real threads, but known to the test, so that it can end one. Must come before the pool loads piscina.
const threadsStarted: Worker[] = []
const builtin = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker }
builtin.Worker = class extends builtin.Worker {
  constructor(...given: ConstructorParameters<typeof Worker>) {
    super(...given)
    threadsStarted.push(this)
  }
}
syncBuiltinESMExports()
const { Pool } = await import('../../src/pool/pool.ts')
type Pool = InstanceType<typeof Pool>

const pools: Pool[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
  threadsStarted.length = 0
})

function open(threads = 2, maxQueue = 16): Pool {
  const pool = new Pool({ threads, maxQueue })
  pools.push(pool)
  return pool
}

const rows = normalRows(2000, 4)
const block = blockOf(rows)
const trained = train(detector, block)
const payload = new SharedArrayBuffer(trained.payload.length)
new Uint8Array(payload).set(trained.payload)
const model = { key: 'a@1', detector: detector.id, payload, features: 4, fill: null }
const fitRequest = { ...trained, detector: detector.id, seed: 1, features: 4 }
const large = blockOf(normalRows(70_000, 4, 3))

/** Random scores, as `rank` wants them. */
function randomScores(count: number): Float64Array<SharedArrayBuffer> {
  const list = new Float64Array(new SharedArrayBuffer(8 * count))
  const random = createRandom(1, 0)
  for (let i = 0; i < count; i++) list[i] = random.nextFloat()
  return list
}

describe('the pool', () => {
  test('fits the same bytes on 1, 2 and 4 threads as on none', async () => {
    for (const threads of [1, 2, 4]) {
      expect(isSame(await open(threads).fit(fitRequest), trained.payload)).toBe(true)
    }
  })

  test('scores a block in slices as if it were scored at once', async () => {
    const expected = scoreAll(detector, trained.payload, large)
    for (const threads of [1, 3]) {
      const { scores, flags, seconds } = await open(threads).score(model, large)
      expect(isSame(new Uint8Array(scores.buffer, 0, scores.byteLength), new Uint8Array(expected.scores.buffer))).toBe(
        true,
      )
      expect(isSame(flags, expected.flags)).toBe(true)
      expect(seconds).toBeGreaterThan(0)
    }
  })

  test('scores each row with the model of its entity, in blocks of any size, one after the other and at once', async () => {
    const others = [normalRows(2000, 4, 7), normalRows(2000, 4, 8)].map((own) => train(detector, blockOf(own)).payload)
    const fleet = encodeFleet({
      ...{ features: 4, names: ['a', 'b'], shared: trained.payload, models: others },
      ...{
        min: new Float64Array(8).fill(Number.NEGATIVE_INFINITY),
        max: new Float64Array(8).fill(Number.POSITIVE_INFINITY),
      },
    })
    const ofFleet = new SharedArrayBuffer(fleet.length)
    new Uint8Array(ofFleet).set(fleet)
    const many = { ...model, key: 'fleet@1', payload: ofFleet, entities: 2 }
    const numberOf = (row: number) => [0, 1, Number.NaN, 1, 9][(row * row) % 5]!
    const all = normalRows(70_000, 4, 3)
    const byModel = [...others, trained.payload].map((bytes) => scoreAll(detector, bytes, large).scores)
    const expected = Float64Array.from(all, (_, row) => byModel[[0, 1, 2, 1, 2][(row * row) % 5]!]![row]!)
    const blockOfFirst = (count: number) => {
      const values = new Float64Array(new SharedArrayBuffer(8 * 5 * count))
      for (let f = 0; f < 4; f++)
        values.set(large.values.subarray(f * large.stride, f * large.stride + count), f * count)
      for (let row = 0; row < count; row++) values[4 * count + row] = numberOf(row)
      return { values, stride: count, rows: count, columns: 5 }
    }
    for (const threads of [1, 3]) {
      const pool = open(threads)
      const check = async (count: number) => {
        const { scores } = await pool.score(many, blockOfFirst(count), { patient: true })
        expect(
          isSame(
            new Uint8Array(scores.buffer, scores.byteOffset, 8 * count),
            new Uint8Array(expected.buffer, 0, 8 * count),
          ),
        ).toBe(true)
      }
      for (const count of [1, 500, 3000, 70_000, 20_000]) await check(count)
      const gone = new AbortController()
      const left = pool.score(many, blockOfFirst(70_000), { signal: gone.signal, patient: true })
      const rest = [70_000, 40_000, 300, 60_000].map(check)
      gone.abort(new Error('left'))
      await expect(left).rejects.toThrow('left')
      await Promise.all(rest)
    }
  })

  test('scores few rows of a model that they came for again and again while its only thread is at work, to the bit', async () => {
    const guards = { min: Float64Array.of(-1, -1, -1, -1), max: Float64Array.of(1, 1, 1, 1), level: 0.6 }
    const few = [1, 30].map((count) => blockOf(rows.slice(0, count)))
    const pool = open(1)
    const scoreFew = async (kind: typeof model) => {
      const all = []
      for (const given of few) all.push(await pool.score(kind, given))
      return all.map(({ scores, flags }) => [[...scores], [...flags]])
    }
    for (const kind of [model, { ...model, key: 'b@1', guards }]) {
      const byThread = await scoreFew(kind)
      for (let i = 0; i < 64; i++) await pool.score(kind, few[0]!)
      // The thread prepares the model before it looks at this.
      await pool.inspect(block, 4)
      let isOver = false
      const busy = pool.rank({ positive: randomScores(1_000_000), negative: randomScores(1_000_000) }).then(() => {
        isOver = true
      })
      expect(await scoreFew(kind)).toEqual(byThread)
      expect(isOver).toBe(false)
      await busy
    }
  })

  test('ranks as the kernel does, on a thread, and nobody waits for it', async () => {
    const shared = (values: readonly number[]) => {
      const list = new Float64Array(new SharedArrayBuffer(8 * values.length))
      list.set(values)
      return list
    }
    const positive = [0.9, 0.4, 0.9]
    const negative = [0.1, 0.4, 0.95, 0.2]
    const expected = rank({ positive: Float64Array.from(positive), negative: Float64Array.from(negative) })
    const pool = open(2)
    expect(await pool.rank({ positive: shared(positive), negative: shared(negative) })).toEqual(expected)

    let over = false
    const asked = pool.rank({ positive: shared([0.5]), negative: randomScores(2_000_000) }).finally(() => {
      over = true
    })
    let turns = 0
    for (; !over; turns++) await new Promise(setImmediate)
    expect((await asked).rocAuc).toBeCloseTo(0.5, 2)
    expect(turns).toBeGreaterThan(100)
  })

  test('scores a block of no rows and of one', async () => {
    const pool = open(1)
    expect((await pool.score(model, { ...block, rows: 0 })).scores.length).toBe(0)
    expect((await pool.score(model, { ...block, rows: 1 })).scores.length).toBe(1)
  })

  test('inspects a block: profile, unusable rows and where they are', async () => {
    const holes = blockOf([[1, 2], [Number.NaN, 3], [4, Number.POSITIVE_INFINITY]]) // biome-ignore format: one line
    const { profile, marks, count, firsts } = await open(1).inspect(holes, 2)
    expect(profile).toEqual(profileBlock(holes, 2))
    expect([...marks!]).toEqual([rowMarks.usable, rowMarks.missing, rowMarks.nonFinite])
    expect([count, firsts]).toEqual([2, [[1], [2]]])
  })

  test('answers a damaged model with its code, and goes on', async () => {
    const pool = open(1)
    const damaged = { ...model, key: 'damaged', payload: new SharedArrayBuffer(64) }
    await expect(pool.score(damaged, block)).rejects.toMatchObject({ code: 'model_corrupt' })
    await expect(pool.score({ ...model, detector: 'x' }, block)).rejects.toMatchObject({
      code: 'model_version_unsupported',
    })
    expect((await pool.score(model, block)).scores.length).toBe(2000)
  })

  test('hides what went wrong inside a thread', async () => {
    const wrong = { ...fitRequest, effective: { ...trained.effective, sampleSize: -5 } }
    await expect(open(1).fit(wrong)).rejects.toMatchObject({ name: 'DeepWatchError' })
  })
})

describe('a full queue', () => {
  test('refuses new work but not the later blocks of work that was accepted', async () => {
    const pool = open(1, 2)
    expect([pool.saturated, pool.queueSize, pool.utilization]).toEqual([false, 0, 0])
    const accepted = [pool.score(model, large), pool.score(model, block)]
    // Slices of a call that has begun do not count: one call waits.
    expect([pool.saturated, pool.queueSize, pool.utilization]).toEqual([false, 1, 1])
    accepted.push(pool.score(model, block))
    expect([pool.saturated, pool.queueSize]).toEqual([true, 2])
    await expect(pool.score(model, block)).rejects.toMatchObject({ code: 'overloaded' })
    await expect(pool.fit(fitRequest)).rejects.toMatchObject({ code: 'overloaded' })
    accepted.push(pool.score(model, block, { patient: true }))
    await Promise.all(accepted)
    expect([pool.saturated, pool.queueSize, pool.utilization]).toEqual([false, 0, 0])
  })

  test('calls take turns: a small one does not wait for all of a large one', async () => {
    const pool = open(1)
    const order: string[] = []
    await Promise.all([
      pool.fit(fitRequest).then(() => order.push('fit')),
      pool.score(model, large).then(() => order.push('large')),
      pool.score(model, block).then(() => order.push('small')),
    ])
    expect(order[0]).toBe('small')
  })
})

describe('an aborted call', () => {
  test('leaves the queue at once and lets running work finish', async () => {
    const pool = open(1, 100)
    const [stop, reason] = [new AbortController(), new Error('gone')]
    const kept = pool.score(model, block)
    const dropped = pool.score(model, large, { signal: stop.signal })
    expect(pool.queueSize).toBe(1)
    stop.abort(reason)
    expect(pool.queueSize).toBe(0)
    await expect(dropped).rejects.toBe(reason)
    expect((await kept).scores.length).toBe(2000)
    expect([pool.deaths, threadsStarted.length]).toEqual([0, 1])
  })

  test('that runs already is rejected, and its thread lives on', async () => {
    const pool = open(1, 100)
    const stop = new AbortController()
    const running = pool.score(model, large, { signal: stop.signal })
    stop.abort(new Error('gone'))
    await expect(running).rejects.toThrow('gone')
    expect((await pool.score(model, block)).scores.length).toBe(2000)
    expect([pool.deaths, threadsStarted.length]).toEqual([0, 1])
  })

  test('is refused when it was aborted before', async () => {
    await expect(open(1).score(model, block, { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow(
      'early',
    )
  })
})

describe('a thread that dies', () => {
  const big = train(detector, block, 1, { trees: 64, sampleSize: 2000, maxDepth: 32 })
  const bigFit = { ...big, detector: detector.id, seed: 1, features: 4 }

  test('costs nothing but time: its task runs again on another', async () => {
    const pool = open(2, 100)
    await pool.score(model, block)
    const fitting = pool.fit(bigFit)
    await threadsStarted[0]!.terminate()
    expect(isSame(await fitting, big.payload)).toBe(true)
    expect(pool.deaths).toBe(1)
    expect((await pool.score(model, block)).scores.length).toBe(2000)
  })

  test('again and again never leaves a call without an answer', async () => {
    const pool = open(2, 100)
    const outcomes = new Set<string>()
    for (let round = 0; round < 6; round++) {
      const fitting = pool.fit(bigFit).then(
        (payload) => outcomes.add(isSame(payload, big.payload) ? 'same bytes' : 'other bytes'),
        (error: { code: string }) => outcomes.add(error.code),
      )
      // Some threads are ended while they work, some while they start.
      for (let i = 0; i < 2; i++) await threadsStarted[threadsStarted.length - 1 - (round % 2)]!.terminate()
      await fitting
    }
    expect([...outcomes].every((outcome) => ['same bytes', 'internal_error'].includes(outcome))).toBe(true)
    expect((await pool.score(model, block)).scores.length).toBe(2000)
  })
})

describe('closing', () => {
  test('finishes what was accepted and refuses the rest', async () => {
    const pool = new Pool({ threads: 1, maxQueue: 100 })
    const accepted = [pool.score(model, large), pool.score(model, block)]
    const closed = pool.close()
    await expect(pool.score(model, block)).rejects.toMatchObject({ code: 'shutting_down' })
    expect((await Promise.all(accepted)).map(({ scores }) => scores.length)).toEqual([70_000, 2000])
    await closed
    expect(pool.saturated).toBe(true)
  })
})

test('a pool that is closed while its threads load ends, and takes nothing with it', async () => {
  // On Node 20 piscina's way of loading ended the whole process now and then: that would be this test's, too.
  for (let round = 0; round < 6; round++) {
    const pool = new Pool({ threads: 2, maxQueue: 4 })
    await new Promise((resolve) => setTimeout(resolve, 40 * round))
    await expect(pool.close()).resolves.toBeUndefined()
  }
})
