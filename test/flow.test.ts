import { describe, expect, test } from 'vitest'
import { createGate, createStages, inOrder } from '../src/flow.ts'

async function* numbers(count: number, onClose: () => void = () => {}): AsyncGenerator<number> {
  try {
    for (let i = 0; i < count; i++) yield i
  } finally {
    onClose()
  }
}

/** A promise and its ends. */
function deferred<Value = void>() {
  let resolve!: (value: Value) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<Value>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

describe('inOrder', () => {
  test('keeps the order whatever finishes first, with at most that many under way', async () => {
    let underWay = 0
    let most = 0
    const results: number[] = []
    for await (const result of inOrder(numbers(50), 3, async (n) => {
      most = Math.max(most, ++underWay)
      for (let turn = 0; turn < (n * 7) % 5; turn++) await new Promise(setImmediate)
      underWay--
      return n * 10
    }))
      results.push(result)
    expect(results).toEqual(Array.from({ length: 50 }, (_, n) => n * 10))
    expect(most).toBe(3)
  })

  test('a failure closes the source after what was under way has ended', async () => {
    const log: string[] = []
    const slow = deferred()
    const flow = inOrder(
      numbers(10, () => log.push('closed')),
      2,
      async (n) => {
        if (n === 0) throw new Error('no')
        await slow.promise
        log.push(`ended ${n}`)
      },
    )
    const failing = flow.next()
    slow.resolve()
    await expect(failing).rejects.toThrow('no')
    expect(log.filter((line) => line.startsWith('ended')).length).toBe(1)
    expect(log).toContain('closed')
  })

  test('a consumer that stops early closes the source', async () => {
    let closed = false
    for await (const _ of inOrder(
      numbers(10, () => (closed = true)),
      2,
      async (n) => n,
    ))
      break
    expect(closed).toBe(true)
  })
})

describe('a gate', () => {
  test('lets so many in, queues so many, refuses the next and admits in order', async () => {
    const gate = createGate(1, 2)
    const first = deferred()
    const order: number[] = []
    const running = gate.run(() => first.promise)
    const waiting = [1, 2].map((n) => gate.run(async () => void order.push(n)))
    expect(gate.saturated).toBe(true)
    await expect(gate.run(async () => {})).rejects.toMatchObject({ code: 'overloaded' })
    first.resolve()
    await Promise.all([running, ...waiting])
    expect(order).toEqual([1, 2])
    expect(gate.saturated).toBe(false)
    await gate.run(async () => {})
  })

  test('who waits and is aborted gives its place free', async () => {
    const gate = createGate(1, 1)
    const first = deferred()
    const running = gate.run(() => first.promise)
    const controller = new AbortController()
    const waiting = gate.run(async () => {}, controller.signal)
    controller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    const next = gate.run(async () => 'in')
    first.resolve()
    await running
    expect(await next).toBe('in')
  })

  test('a failure inside gives the place free', async () => {
    const gate = createGate(1, 0)
    await expect(gate.run(async () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await gate.run(async () => 'in')).toBe('in')
  })
})

test('stages stop once, in reverse, one after the other', async () => {
  const told: string[] = []
  const stages = createStages()
  const stop = async (name: string) => {
    await Promise.resolve()
    told.push(name)
  }
  expect(stages.add('folder', stop)).toBe('folder')
  stages.add('pool', stop)
  await Promise.all([stages.stop(), stages.stop()])
  expect(told).toEqual(['pool', 'folder'])
})
