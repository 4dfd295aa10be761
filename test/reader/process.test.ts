import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Bench, codeOf, readAll, startBench, tryReading, writeParquet } from './tools.ts'

const features = [{ name: 'n', kind: 'number' }] as const
const rows = 3_000_000

async function withLongFile(limits: Parameters<typeof startBench>[0] = {}): Promise<Bench> {
  const bench = await startBench(limits)
  await writeParquet(join(bench.root, 'long.parquet'), `select i as n, random() as x from range(${rows}) t(i)`)
  await writeParquet(join(bench.root, 'short.parquet'), 'select 1 as n')
  return bench
}

/** Process ids of this process's reading processes. */
function readers(): number[] {
  const pids = execFileSync('pgrep', ['-P', String(process.pid), '-f', 'workers/reader.js'], { encoding: 'utf8' })
  return pids.trim().split('\n').map(Number)
}

/** Those of them that hold a file of the root open. */
function holders(bench: Bench): number[] {
  return readers().filter((pid) => openFiles(pid).some(([, path]) => path.includes(bench.root)))
}

/** What `/proc` says, or nothing when what it tells of is gone: files come and go, and so do processes, while they are looked at. */
function unlessGone<Result>(look: () => Result[]): Result[] {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

/** What a process holds open now, by the number of the file descriptor. */
function openFiles(pid: number): [fd: string, path: string][] {
  const folder = `/proc/${pid}/fd`
  return unlessGone(() => readdirSync(folder)).flatMap((fd) =>
    unlessGone(() => [[fd, readlinkSync(join(folder, fd))] as [string, string]]),
  )
}

/** Process ids of the spare, once there is one that waits for commands. */
async function sparesOf(bench: Bench): Promise<number[]> {
  const ofBench = (pid: number) =>
    unlessGone(() => [readFileSync(`/proc/${pid}/environ`, 'utf8')]).some((text) => text.includes(bench.home))
  for (;;) {
    const spares = readers().filter(ofBench)
    if (spares.length > 0 && spares.every(isListening)) return spares
    await new Promise(setImmediate)
  }
}

/** Whether a process waits for its standard input: a reading process does so when it has said that it is ready. */
function isListening(pid: number): boolean {
  return openFiles(pid)
    .filter(([, path]) => path.endsWith('[eventpoll]'))
    .flatMap(([fd]) => unlessGone(() => [readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')]))
    .some((text) => /^tfd: +0 /m.test(text))
}

/** Reads a block of the long file, does something to its process, and gives the error of the rest. */
async function during(bench: Bench, act: (pid: number) => void): Promise<string> {
  const session = await bench.open('long.parquet')
  const blocks = session.features({ features: [...features] })
  await blocks.next()
  const [pid] = holders(bench)
  if (pid === undefined) throw new Error('no process holds the file')
  act(pid)
  const rest = (async () => {
    for await (const block of blocks) block.release()
  })()
  const code = await codeOf(rest)
  await session.close()
  return code
}

describe('a reading process that fails', () => {
  test("killed in the middle it is that request's error, told once, and the next source is read", async () => {
    const bench = await withLongFile()
    expect(await during(bench, (pid) => process.kill(pid, 'SIGKILL'))).toBe('parquet_unreadable')
    expect(await during(bench, (pid) => process.kill(pid, 'SIGSEGV'))).toBe('parquet_unreadable')
    expect(bench.deaths).toEqual(['crash', 'crash'])
    expect(await tryReading(bench, 'short.parquet')).toBe('none')
  })

  test('stopped it is a deadline, and is killed', async () => {
    const bench = await withLongFile({ stallMs: 1_500 })
    expect(await during(bench, (pid) => process.kill(pid, 'SIGSTOP'))).toBe('deadline_exceeded')
    expect(bench.deaths).toEqual(['stall'])
    expect(holders(bench)).toEqual([])
  })

  test('a consumer that takes its time is not a stall', async () => {
    const bench = await withLongFile({ stallMs: 1_500 })
    const session = await bench.open('long.parquet')
    let seen = 0
    for await (const { block, release } of session.features({ features: [...features] })) {
      if (seen === 0) await new Promise((later) => setTimeout(later, 2_000))
      seen += block.rows
      release()
    }
    expect(seen).toBe(rows)
    await session.close()
  })

  test('a spare that dies while it waits is replaced and nobody hears of it, even when its end was not told yet', async () => {
    const bench = await withLongFile()
    for (const isTold of [true, false, false]) {
      expect(await tryReading(bench, 'short.parquet')).toBe('none')
      for (const pid of await sparesOf(bench)) {
        process.kill(pid, 'SIGKILL')
        while (isTold && existsSync(`/proc/${pid}`)) await new Promise(setImmediate)
      }
      expect(await tryReading(bench, 'short.parquet')).toBe('none')
    }
    expect(bench.deaths).toEqual([])
  })

  test('a spare that no longer answers is a stall of its own, and the source is read by another', async () => {
    const bench = await withLongFile({ stallMs: 1_000 })
    expect(await tryReading(bench, 'short.parquet')).toBe('none')
    const spares = await sparesOf(bench)
    for (const pid of spares) process.kill(pid, 'SIGSTOP')
    expect(await tryReading(bench, 'short.parquet')).toBe('none')
    for (const pid of spares) expect(existsSync(`/proc/${pid}`)).toBe(false)
    expect(bench.deaths).toEqual([])
  })
})

describe('a spare that hangs', () => {
  /** Asks for a source, and gives the opening once the spare was asked, which will not answer. */
  async function askedOf(bench: Bench, signal?: AbortSignal) {
    const source = await bench.sources.fromPaths('short.parquet')
    for (const pid of await sparesOf(bench)) process.kill(pid, 'SIGSTOP')
    const opening = bench.readers.open(source, signal && { signal })
    opening.catch(() => {})
    await new Promise(setImmediate)
    return { opening }
  }

  test('is ended with the request that waits for it', async () => {
    const bench = await withLongFile({ stallMs: 3_600_000, readers: 1 })
    const abort = new AbortController()
    const { opening } = await askedOf(bench, abort.signal)
    abort.abort(new Error('gone'))
    await expect(opening).rejects.toThrow('gone')
    expect(await tryReading(bench, 'short.parquet')).toBe('none')
  })

  test('is ended with all others', async () => {
    const bench = await withLongFile({ stallMs: 3_600_000 })
    const { opening } = await askedOf(bench)
    await bench.readers.close()
    await expect(opening).rejects.toMatchObject({ code: 'shutting_down' })
  })
})

describe('sessions', () => {
  test('are answered by processes of their own, at once', async () => {
    const bench = await withLongFile()
    const [one, other] = await Promise.all([bench.open('long.parquet'), bench.open('long.parquet')])
    if (one === undefined || other === undefined) return expect.fail('no session')
    expect(new Set(holders(bench)).size).toBe(2)
    const sums = await Promise.all(
      [one, other].map(async (session) => (await readAll(session, { features: [...features] })).rows),
    )
    expect(sums).toEqual([rows, rows])
    await Promise.all([one.close(), other.close()])
    expect(holders(bench)).toEqual([])
  })

  test('wait in a bounded queue, are let in one by one, and can give up', async () => {
    const bench = await withLongFile({ readers: 1, queue: 2 })
    const source = await bench.sources.fromPaths('short.parquet')
    const first = await bench.readers.open(source)
    expect(bench.readers.saturated).toBe(false)
    const abort = new AbortController()
    const second = bench.readers.open(source)
    const third = bench.readers.open(source, { signal: abort.signal })
    expect([bench.readers.saturated, bench.readers.queueSize]).toEqual([true, 2])
    expect(await codeOf(bench.readers.open(source))).toBe('overloaded')
    abort.abort(new Error('gone'))
    await expect(third).rejects.toThrow('gone')
    expect(bench.readers.queueSize).toBe(1)
    await first.close()
    await (await second).close()
    expect(bench.readers.queueSize).toBe(0)
  })

  test('end at once when they are aborted, in the middle of whatever they do', async () => {
    const bench = await withLongFile()
    const abort = new AbortController()
    const session = await bench.open('long.parquet', { signal: abort.signal })
    const reading = (async () => {
      for await (const block of session.features({ features: [...features] })) block.release()
    })()
    abort.abort(new Error('the client went away'))
    await expect(reading).rejects.toThrow('the client went away')
    await session.close()
    await session.close()
    expect(holders(bench)).toEqual([])
    expect(bench.deaths).toEqual([])
    await expect(bench.open('short.parquet', { signal: abort.signal })).rejects.toThrow('the client went away')
    expect(await tryReading(bench, 'short.parquet')).toBe('none')
  })

  test('closing the readers ends what runs and refuses what waits', async () => {
    const bench = await withLongFile({ readers: 1, queue: 2 })
    const source = await bench.sources.fromPaths('long.parquet')
    const session = await bench.readers.open(source)
    const waiting = codeOf(bench.readers.open(source))
    await bench.readers.close()
    expect(await waiting).toBe('shutting_down')
    expect(await codeOf(readAll(session, { features: [...features] }))).toBe('shutting_down')
    expect(await codeOf(bench.readers.open(source))).toBe('shutting_down')
    expect(holders(bench)).toEqual([])
  })
})
