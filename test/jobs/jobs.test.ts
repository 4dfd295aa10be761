import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { jsonAnswer } from '../../src/jobs/answer.ts'
import { type JobsFolder, openJobsFolder } from '../../src/jobs/folder.ts'
import { follow, type Job } from '../../src/jobs/job.ts'
import type { JobRequest } from '../../src/jobs/jobs.ts'
import { type Jobs, type JobsLimits, openJobs } from '../../src/jobs/jobs.ts'
import type { Work } from '../../src/work.ts'
import { freshFolder } from '../endings.ts'

const day = 86_400_000
const limits: JobsLimits = { running: 1, queue: 8, heldBytes: 1000, kept: 10, keepMs: day, resultBytes: 1000 }

interface House {
  readonly jobs: Jobs
  readonly home: string
  readonly clock: { wall: number; steady: number }
  /** Asks for a job and waits until it is over. */
  done(request?: Partial<JobRequest>): Promise<Job>
  files(): Promise<string[]>
}

async function open(
  more: Partial<JobsLimits> = {},
  { home, disk = {} }: { home?: string; disk?: Partial<JobsFolder> } = {},
): Promise<House> {
  const at = home ?? (await freshFolder())
  const clock = { wall: Date.UTC(2026, 10, 23), steady: 1000 }
  const jobs = await openJobs({
    folder: { ...openJobsFolder(at), ...disk },
    limits: { ...limits, ...more },
    log: { warn: () => {} },
    clock: { wall: () => clock.wall, steady: () => clock.steady },
  })
  return {
    jobs,
    home: at,
    clock,
    async done(more) {
      const { job } = await jobs.submit(request(more))
      await job.settled
      return job
    },
    files: async () => (await readdir(join(at, 'jobs'))).sort(),
  }
}

let requests = 0
const hex = (text: string) => Buffer.from(text.padEnd(32, '.')).toString('hex').slice(0, 64)

function request(more: Partial<JobRequest> = {}): JobRequest {
  return {
    kind: 'score',
    model: 'web',
    owner: null,
    requestId: String(++requests),
    key: null,
    awaited: false,
    heldBytes: 0,
    log: { info: () => {} },
    produce: async () => jsonAnswer(200, { done: true }),
    explain: (error) =>
      error instanceof DeepWatchError ? error : new DeepWatchError('internal_error', 'It failed.', { cause: error }),
    dispose: async () => {},
    ...more,
  }
}

const keyed = (id: string, asked = 'one') => ({ key: { id: hex(id), request: hex(asked) } })
const fail = (code: 'missing_feature' | 'storage_full' | 'overloaded') => async () => {
  throw new DeepWatchError(code, 'It cannot be done.')
}

/** Work that goes on until it is told to end, or given up. */
function heldWork() {
  let end: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let begun: () => void = () => {}
  const started = new Promise<void>((resolve) => {
    begun = resolve
  })
  const produce = async ({ signal, progress }: Work) => {
    progress?.begin('scoring', 100)
    begun()
    await new Promise<void>((resolve, reject) => {
      void ended.then(resolve)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    return jsonAnswer(200, 'held')
  }
  return { produce, end, started }
}

describe('time', () => {
  test('a finished job is kept for its time by a steady clock, and then nothing is left of it', async () => {
    const { jobs, clock, done, files } = await open()
    const { id, expires } = await done()
    expect(expires).toEqual({ wall: clock.wall + day, steady: clock.steady + day })
    clock.steady += day - 1
    expect(jobs.find(id)?.record.state).toBe('succeeded')
    clock.steady += 1
    expect(jobs.find(id)).toBeUndefined()
    while ((await files()).length > 0);
    jobs.close()
  })

  test.each([30 * day, -30 * day, -Date.UTC(2026, 10, 23)])(
    'a jump of the wall clock by %d ms ages nothing',
    async (jump) => {
      const { jobs, clock, done } = await open()
      const { id } = await done()
      clock.wall += jump
      const second = await done()
      expect([jobs.find(id), jobs.find(second.id)].map((job) => job?.isOver)).toEqual([true, true])
      jobs.close()
    },
  )

  test('after a restart what is left of its time is left, and never more than the whole', async () => {
    const first = await open()
    const { id } = await first.done()
    first.jobs.close()
    // The clock of the next process stands where it stood: the whole time. Its file says when it ended.
    const second = await open({ keepMs: 1000 }, { home: first.home })
    expect(second.jobs.find(id)?.record.state).toBe('succeeded')
    second.clock.steady += 1000
    expect(second.jobs.find(id)).toBeUndefined()
    second.jobs.close()
  })

  test('speed and progress are of the stage it is in', async () => {
    const { jobs, clock } = await open()
    const work = heldWork()
    const { job } = await jobs.submit(request({ produce: work.produce }))
    await work.started
    clock.steady += 2000
    job.progress.advance(50)
    expect(job.record).toMatchObject({ rowsDone: 50, rowsTotal: 100, rowsPerSecond: 25 })
    job.progress.begin('writing', null)
    expect(job.record).toMatchObject({ rowsDone: 0, rowsTotal: null, rowsPerSecond: 0 })
    work.end()
    await job.settled
    job.progress.begin('scoring', 5)
    job.progress.advance(5)
    expect(job.record).toMatchObject({ state: 'succeeded', stage: 'writing', rowsDone: 0 })
    jobs.close()
  })
})

describe('number and bytes', () => {
  test('the oldest go first, and requests that were answered do not push out jobs', async () => {
    const { jobs, done } = await open({ kept: 2 })
    const kept: Job[] = []
    for (const awaited of [false, false, true, true, true, false]) kept.push(await done({ awaited }))
    expect(kept.map(({ id }) => jobs.find(id) !== undefined)).toEqual([false, true, false, true, true, true])
    expect(jobs.list()).toHaveLength(4)
    expect(jobs.counts()).toEqual({ queued: 0, running: 0, succeeded: 4, failed: 0, cancelled: 0, interrupted: 0 })
    jobs.close()
  })

  test('two results that grow at once share the room; what was answered makes room before jobs do', async () => {
    const { jobs, done, files } = await open({ running: 2, resultBytes: 1000 })
    const sized = (bytes: number) => ({ produce: async () => jsonAnswer(200, 'x'.repeat(bytes - 2)) })
    const [job, answer] = [await done(sized(400)), await done({ ...sized(400), awaited: true })]
    await done(sized(400))
    expect([jobs.find(job.id), jobs.find(answer.id)].map(Boolean)).toEqual([true, false])
    const both = await Promise.all([done(sized(700)), done(sized(700))])
    const states = both.map(({ record }) => record.failure?.code ?? record.state)
    expect(states.sort()).toEqual(expect.arrayContaining(['succeeded']))
    for (const state of states) expect(['succeeded', 'storage_full']).toContain(state)
    const results = (await files()).filter((name) => name.endsWith('.result'))
    expect(results.length).toBeLessThan(3)
    expect((await done(sized(1001))).record.failure?.code).toBe('result_too_large')
    jobs.close()
  })

  test('more than may run and wait are refused, and what was taken in for them goes', async () => {
    const { jobs } = await open({ queue: 1 })
    const held = [heldWork(), heldWork()]
    const accepted = await Promise.all(held.map(({ produce }) => jobs.submit(request({ produce }))))
    expect(jobs.saturated).toBe(true)
    let disposed = 0
    const dispose = async () => void disposed++
    for (const awaited of [false, true])
      await expect(jobs.submit(request({ awaited, dispose }))).rejects.toMatchObject({ code: 'overloaded' })
    expect(disposed).toBe(2)
    for (const { end } of held) end()
    await Promise.all(accepted.map(({ job }) => job.settled))
    expect(jobs.saturated).toBe(false)
    jobs.close()
  })
})

describe('work', () => {
  test('that finds no room waits for it when it is a job, and is refused when its request waits', async () => {
    const { jobs, done } = await open()
    let tries = 0
    const produce = async () => {
      if (++tries < 3) throw new DeepWatchError('overloaded', 'Not now.')
      return jsonAnswer(200, 'at last')
    }
    expect((await done({ produce })).record.state).toBe('succeeded')
    expect(tries).toBe(3)
    const refused = await done({ produce: fail('overloaded'), awaited: true, ...keyed('busy') })
    expect(refused.record).toMatchObject({ state: 'failed', failure: { code: 'overloaded' }, key: null })
    const { job } = await jobs.submit(request({ produce: fail('overloaded') }))
    await jobs.remove(job)
    expect(job.record.state).toBe('cancelled')
    jobs.close()
  })

  test('that cannot be taken back succeeds although it was cancelled', async () => {
    const { jobs, files } = await open()
    let begun: () => void = () => {}
    const started = new Promise<void>((resolve) => {
      begun = resolve
    })
    const produce = async ({ signal }: Work) => {
      begun()
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      return jsonAnswer(201, { version: 1 }, { isCommitted: true })
    }
    const { job } = await jobs.submit(request({ produce }))
    await started
    await jobs.remove(job)
    expect(job.record).toMatchObject({ state: 'succeeded', result: { status: 201 } })
    expect(await files()).toEqual([`${job.id}.json`, `${job.id}.result`])
    jobs.close()
  })

  test('that was cancelled keeps no half of a result, and ends what it came from', async () => {
    const { jobs, files } = await open()
    let closed = 0
    const job = await new Promise<Job>((resolve) => {
      const produce = async () => {
        async function* pieces() {
          yield 'half'
          void jobs.remove(submitted.job)
          yield 'the other half'
        }
        return { ...jsonAnswer(200, null), bytes: null, pieces: pieces(), close: async () => void closed++ }
      }
      let submitted: { job: Job }
      void jobs.submit(request({ produce })).then((answer) => {
        submitted = answer
        resolve(answer.job)
      })
    })
    await job.settled
    expect([job.record.state, closed, await files()]).toEqual(['cancelled', 1, [`${job.id}.json`]])
    jobs.close()
  })
})

describe('keys', () => {
  test('stand for a failure that would come again, and are free after one that might not', async () => {
    const { jobs, done } = await open()
    const lasting = await done({ ...keyed('a'), produce: fail('missing_feature') })
    expect((await done(keyed('a'))).id).toBe(lasting.id)
    const passing = await done({ ...keyed('b'), produce: fail('storage_full') })
    expect((await done(keyed('b'))).id).not.toBe(passing.id)
    await expect(jobs.submit(request(keyed('a', 'two')))).rejects.toMatchObject({ code: 'idempotency_conflict' })
    await jobs.remove(lasting)
    expect((await done(keyed('a', 'two'))).record.state).toBe('succeeded')
    jobs.close()
  })

  test('go with the job they belong to', async () => {
    const { jobs, clock, done } = await open()
    const first = await done(keyed('a'))
    clock.steady += day
    expect((await done(keyed('a', 'two'))).id).not.toBe(first.id)
    jobs.close()
  })
})

describe('a disk that fails', () => {
  const full = async () => {
    throw new DeepWatchError('storage_full', 'The storage is full.')
  }

  test('when a job is accepted refuses it, and leaves its key free', async () => {
    const disk: Partial<JobsFolder> = { save: full }
    const house = await open({}, { disk })
    await expect(house.jobs.submit(request(keyed('a')))).rejects.toMatchObject({ code: 'storage_full' })
    expect([house.jobs.list(), house.jobs.saturated]).toEqual([[], false])
    house.jobs.close()
  })

  test('when it ends makes it a failure, and keeps no result', async () => {
    const home = await freshFolder()
    const real = openJobsFolder(home)
    const save: JobsFolder['save'] = (record) => (record.state === 'succeeded' ? full() : real.save(record))
    const house = await open({}, { home, disk: { save } })
    const job = await house.done()
    expect(job.record).toMatchObject({ state: 'failed', failure: { code: 'storage_full' }, result: null })
    expect(await house.files()).toEqual([])
    await expect(house.jobs.result(job)).rejects.toMatchObject({ code: 'storage_full' })
    house.jobs.close()
  })
})

test('a stop interrupts what waits at once and what runs after its time, and takes nothing new', async () => {
  const { jobs } = await open()
  const work = heldWork()
  const [{ job: running }, { job: waiting }] = [
    await jobs.submit(request({ produce: work.produce })),
    await jobs.submit(request()),
  ]
  await work.started
  const drained = jobs.drain(50)
  await waiting.settled
  expect([running.record.state, waiting.record.state]).toEqual(['running', 'interrupted'])
  await expect(jobs.submit(request())).rejects.toMatchObject({ code: 'shutting_down' })
  await drained
  expect(running.record.state).toBe('interrupted')
  jobs.close()
})

test('a listener hears every change, bounded in number, and silence is broken now and then', async () => {
  const { jobs } = await open()
  const work = heldWork()
  const { job } = await jobs.submit(request({ produce: work.produce }))
  await work.started
  const gone = new AbortController()
  const heard = follow(job, { from: null, paceMs: 5, beatMs: 20, signal: gone.signal })
  expect((await heard.next()).value).toMatchObject({ record: { stage: 'scoring' } })
  job.progress.advance(7)
  expect((await heard.next()).value).toMatchObject({ record: { rowsDone: 7 } })
  expect((await heard.next()).value).toBeNull()
  for (let change = 0; change < 200; change++) job.progress.begin('scoring', change)
  let changes = 0
  for (let step = await heard.next(); step.value?.record.rowsTotal !== 199; step = await heard.next()) changes++
  expect([changes > 60, changes < 64]).toEqual([true, true])
  const next = heard.next()
  gone.abort()
  expect((await next).done || (await heard.next()).done).toBe(true)
  work.end()
  await job.settled
  jobs.close()
})
