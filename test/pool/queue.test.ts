/** The queue in front of the threads, with threads that are told when to end a turn. */
import { describe, expect, test } from 'vitest'
import { TaskLost, TaskQueue, type Turn } from '../../src/pool/queue.ts'

interface Work {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** A queue of `slots` threads, with what runs on them now and what it was told about calls that wait. */
function open(slots: number) {
  const running: { work: Work; resolve: (turn: Turn<Work>) => void; reject: (error: Error) => void }[] = []
  const told: boolean[] = []
  const queue = new TaskQueue<Work>(
    slots,
    16,
    (work) => new Promise((resolve, reject) => running.push({ work, resolve, reject })),
    (isWanted) => told.push(isWanted),
  )
  const settled = () => new Promise(setImmediate)
  return {
    queue,
    isWanted: () => told.at(-1),
    names: () => running.map(({ work }) => `${work.name} ${work.from}-${work.to}`),
    /** The first one that runs stops there. */
    async stopAt(at: number) {
      const { work, resolve } = running.shift()!
      const rest = at < work.to ? { ...work, from: at } : null
      resolve({ result: `${work.name} ${work.from}-${at}`, rest })
      await settled()
    },
    async lose() {
      running.shift()!.reject(new TaskLost('gone'))
      await settled()
    },
    settled,
  }
}

describe('a task that stops before its end', () => {
  test('goes on in a later turn, and its results are all there, in order', async () => {
    const { queue, names, stopAt } = open(2)
    const all = queue.runAll(
      [
        { name: 'a', from: 0, to: 30 },
        { name: 'b', from: 30, to: 50 },
      ],
      {},
    )
    expect(names()).toEqual(['a 0-30', 'b 30-50'])
    await stopAt(10)
    expect(names()).toEqual(['b 30-50', 'a 10-30'])
    await stopAt(50)
    await stopAt(20)
    await stopAt(30)
    expect(await all).toEqual(['a 0-10', 'a 10-20', 'a 20-30', 'b 30-50'])
    expect([queue.running, queue.waiting]).toEqual([0, 0])
  })

  test('lets others have their turn first', async () => {
    const { queue, names, stopAt } = open(1)
    const long = queue.runAll([{ name: 'long', from: 0, to: 30 }], { patient: true })
    const short = queue.runAll([{ name: 'short', from: 0, to: 1 }], {})
    await stopAt(10)
    expect(names()).toEqual(['short 0-1'])
    await stopAt(1)
    expect(await short).toEqual(['short 0-1'])
    await stopAt(30)
    expect(await long).toEqual(['long 0-10', 'long 10-30'])
  })

  test('does not go on when its call was given up', async () => {
    const { queue, names, stopAt } = open(1)
    const gone = new AbortController()
    const call = queue.runAll([{ name: 'a', from: 0, to: 30 }], { signal: gone.signal })
    gone.abort(new Error('gone'))
    await expect(call).rejects.toThrow('gone')
    await stopAt(10)
    expect([names(), queue.running]).toEqual([[], 0])
  })

  test('goes on where it was when its thread is lost, once for each turn, and not for a call that was given up', async () => {
    const { queue, names, stopAt, lose } = open(1)
    const call = queue.runAll([{ name: 'a', from: 0, to: 30 }], {})
    await stopAt(10)
    await lose()
    expect(names()).toEqual(['a 10-30'])
    await stopAt(20)
    await lose()
    expect(names()).toEqual(['a 20-30'])
    const failed = expect(call).rejects.toMatchObject({ code: 'internal_error' })
    await lose()
    await failed

    const gone = new AbortController()
    const other = queue.runAll([{ name: 'b', from: 0, to: 30 }], { signal: gone.signal })
    gone.abort(new Error('gone'))
    await expect(other).rejects.toThrow('gone')
    await lose()
    expect([names(), queue.running]).toEqual([[], 0])
  })
})

test('a call is wanted from when it waits until it starts or is given up, unless it is patient', async () => {
  const { queue, isWanted, stopAt, settled } = open(1)
  const first = queue.runAll([{ name: 'a', from: 0, to: 30 }], {})
  expect(isWanted()).toBe(false)
  const patient = queue.runAll([{ name: 'b', from: 0, to: 1 }], { patient: true })
  expect(isWanted()).toBe(false)
  const second = queue.runAll([{ name: 'c', from: 0, to: 1 }], {})
  expect(isWanted()).toBe(true)
  await stopAt(10)
  expect(isWanted()).toBe(true)
  await stopAt(1)
  expect(isWanted()).toBe(false)
  const gone = new AbortController()
  const third = queue.runAll([{ name: 'd', from: 0, to: 1 }], { signal: gone.signal })
  expect(isWanted()).toBe(true)
  gone.abort(new Error('gone'))
  await expect(third).rejects.toThrow('gone')
  expect(isWanted()).toBe(false)
  await settled()
  await stopAt(1)
  await stopAt(30)
  await Promise.all([first, patient, second])
})
