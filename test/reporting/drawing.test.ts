/** The drawing thread: when it starts, when it ends, and what becomes of a drawing whose thread dies. */
import { syncBuiltinESMExports } from 'node:module'
import builtin, { type Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { exampleVersion, type ReportFacts, type VersionDocument } from '../../src/schemas/index.ts'

const threads: Worker[] = []
builtin.Worker = class extends builtin.Worker {
  constructor(...given: ConstructorParameters<typeof Worker>) {
    super(...given)
    threads.push(this)
  }
}
syncBuiltinESMExports()
const { createDrawing } = await import('../../src/reporting/drawing.ts')

const facts: ReportFacts = {
  subject: 'source',
  document: exampleVersion as VersionDocument,
  source: { kind: 'path', files: [] },
  aggregate: null,
  profiles: [],
  zone: { utc: [0], offset: [0] },
  evaluation: null,
  gaps: [],
}
const never = new AbortController().signal
const opened: ReturnType<typeof createDrawing>[] = []

function open(limits: Partial<{ idleMs: number; maxMs: number }> = {}) {
  const drawing = createDrawing({ idleMs: 60_000, maxMs: 60_000, ...limits })
  opened.push(drawing)
  return { drawing, draw: (signal = never) => drawing.draw({ facts, format: 'svg' }, signal) }
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((drawing) => drawing.close()))
  threads.length = 0
})

const ended = (thread: Worker) => new Promise<void>((resolve) => thread.once('exit', () => resolve()))

test('starts with the first report or when it is warmed, and once', async () => {
  const { drawing, draw } = open()
  expect(threads.length).toBe(0)
  drawing.warm()
  drawing.warm()
  await Promise.all([draw(), draw()])
  expect(threads.length).toBe(1)
})

test('ends when nobody draws for a while, and starts again', async () => {
  const { draw } = open({ idleMs: 50 })
  const first = await draw()
  await ended(threads[0]!)
  expect(Buffer.from(await draw()).equals(first)).toBe(true)
  expect(threads.length).toBe(2)
})

test('a drawing whose thread dies fails, the next has a thread again', async () => {
  const { drawing, draw } = open()
  drawing.warm()
  const lost = draw()
  await threads[0]!.terminate()
  await expect(lost).rejects.toMatchObject({ code: 'internal_error' })
  expect((await draw()).length).toBeGreaterThan(1000)
})

test('a drawing that takes too long is given up', async () => {
  const { draw } = open({ maxMs: 1 })
  await expect(draw()).rejects.toMatchObject({ code: 'internal_error' })
})

test('an aborted drawing rejects with the reason, and the thread lives on for the others', async () => {
  const { draw } = open()
  const leaving = new AbortController()
  const [gone, stays] = [draw(leaving.signal), draw()]
  const reason = new Error('gone')
  leaving.abort(reason)
  await expect(gone).rejects.toBe(reason)
  expect((await stays).length).toBeGreaterThan(1000)
  expect(threads.length).toBe(1)
})
