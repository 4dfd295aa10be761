import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { lockHome } from '../../src/storage/home-lock.ts'

let base: string
let home: string
const children: ChildProcess[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'deepwatch-lock-'))
  home = join(base, 'a', 'home')
})

afterEach(async () => {
  const alive = children.splice(0).filter((child) => child.exitCode === null && child.signalCode === null)
  for (const child of alive) child.kill('SIGKILL')
  await Promise.all(alive.map((child) => once(child, 'exit')))
  await rm(base, { recursive: true, force: true })
})

interface Contender {
  readonly child: ChildProcess
  ask(line: string): Promise<string>
}

function startContender(): Contender {
  const script = fileURLToPath(new URL('./home-lock-child.js', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return {
    child,
    async ask(line) {
      child.stdin!.write(`${line}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error('the child ended')
      return value as string
    },
  }
}

async function refusal(promise: Promise<unknown>): Promise<DeepWatchError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof DeepWatchError) return error
    throw error
  }
  throw new Error('not refused')
}

/** A lock as another process would have left it. */
async function plant(holder: object | string, ageMs = 0): Promise<string> {
  await mkdir(join(home, 'lock'), { recursive: true })
  const path = join(home, 'lock', '00000041')
  await writeFile(path, typeof holder === 'string' ? holder : JSON.stringify(holder))
  const touched = (Date.now() - ageMs) / 1000
  await utimes(path, touched, touched)
  return path
}

const since = '2026-01-02T03:04:05.000Z'
const elsewhere = { pid: 1, start: '5', boot: 'another-boot', namespace: 'pid:[1]', host: 'elsewhere', since }
const quick = { beatMs: 40, staleMs: 400 }

/** What this process writes about itself. */
async function ownRecord(): Promise<Record<string, unknown>> {
  const probe = join(base, 'probe')
  const lock = await lockHome(probe)
  const [name = ''] = await readdir(join(probe, 'lock'))
  const record = JSON.parse(await readFile(join(probe, 'lock', name), 'utf8')) as Record<string, unknown>
  await lock.release()
  return record
}

describe('lockHome', () => {
  test('creates the folder for its owner alone', async () => {
    const lock = await lockHome(home)
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    await lock.release()
  })

  test('refuses a second taker, in the same process too, naming process and time but no path', async () => {
    const lock = await lockHome(home)
    const error = await refusal(lockHome(home))
    expect(error.code).toBe('home_locked')
    expect(error.message).toMatch(new RegExp(`^Process ${process.pid} has used the state folder since \\d{4}-.*Z\\.$`))
    expect(error.message).not.toContain(base)
    await lock.release()
  })

  test('gives the folder back, any number of times', async () => {
    for (let round = 0; round < 5; round++) {
      const lock = await lockHome(home)
      await lock.release()
      await lock.release()
    }
    expect(await readdir(join(home, 'lock'))).toHaveLength(1)
  })

  test('says which setting is wrong when the folder cannot be made', async () => {
    await writeFile(join(base, 'file'), '')
    const error = await refusal(lockHome(join(base, 'file', 'home')))
    expect(error.code).toBe('invalid_setting')
    expect(error.message).toContain('DEEPWATCH_HOME')
    expect(error.message).not.toContain(base)
  })

  test('refuses while another process lives and follows one killed by kill -9 at once', async () => {
    const other = startContender()
    expect(await other.ask(`take ${home}`)).toBe('won')
    expect((await refusal(lockHome(home))).facts['pid']).toBe(other.child.pid)
    other.child.kill('SIGKILL')
    await once(other.child, 'exit')
    const started = performance.now()
    const lock = await lockHome(home)
    expect(performance.now() - started).toBeLessThan(5_000)
    await lock.release()
  })

  test.runIf(existsSync('/proc/self/stat'))('follows a dead holder whose pid another process bears now', async () => {
    await plant({ ...(await ownRecord()), start: '1' })
    const lock = await lockHome(home)
    await lock.release()
  })

  test('follows a holder on another host that has been silent for long enough, and no sooner', async () => {
    await plant(elsewhere, 200)
    const waiting: number[] = []
    const started = performance.now()
    const lock = await lockHome(home, { ...quick, onWaiting: (seconds) => waiting.push(seconds) })
    const tookMs = performance.now() - started
    expect(tookMs).toBeGreaterThan(120)
    expect(tookMs).toBeLessThan(2_000)
    expect(waiting).toEqual([1])
    await lock.release()
  })

  for (const [name, record] of [
    ['an empty record', ''],
    ['a record that is not JSON', '{"pid":'],
    ['a record of null', 'null'],
  ] as const) {
    test(`watches ${name} like a holder elsewhere`, async () => {
      await plant(record, 60_000)
      const lock = await lockHome(home, quick)
      await lock.release()
    })
  }

  test('refuses as soon as a holder on another host gives a sign of life, however old it looks', async () => {
    const path = await plant(elsewhere, 3_600_000)
    const trying = refusal(lockHome(home, { beatMs: 400, staleMs: 800 }))
    await delay(100)
    await utimes(path, new Date(), new Date())
    const error = await trying
    expect(error.code).toBe('home_locked')
    expect(error.message).toBe(
      `Process 1 on another host or in another container has used the state folder since ${since}.`,
    )
  })

  test('gives a sign of life so that a holder elsewhere would be believed', async () => {
    const lock = await lockHome(home, { beatMs: 20 })
    const [name = ''] = await readdir(join(home, 'lock'))
    const path = join(home, 'lock', name)
    await utimes(path, 1_000, 1_000)
    await expect.poll(async () => (await stat(path)).mtimeMs).toBeGreaterThan(Date.now() - 5_000)
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() })
    await lock.release()
  })

  for (const [name, take] of [
    ['another host takes over', (folder: string) => writeFile(join(folder, '00000099'), JSON.stringify(elsewhere))],
    ['the lock is deleted', (folder: string) => rm(folder, { recursive: true })],
  ] as const) {
    test(`tells its holder when ${name}, and leaves the other alone`, async () => {
      let lost = 0
      const lock = await lockHome(home, { beatMs: 20, onLost: () => lost++ })
      await take(join(home, 'lock'))
      await expect.poll(() => lost).toBe(1)
      const before = existsSync(join(home, 'lock')) ? await readdir(join(home, 'lock')) : []
      await lock.release()
      expect(existsSync(join(home, 'lock')) ? await readdir(join(home, 'lock')) : []).toEqual(before)
      expect(lost).toBe(1)
    })
  }

  test('sweeps what killed takers left', async () => {
    await mkdir(join(home, 'lock'), { recursive: true })
    await writeFile(join(home, 'lock', '.tmp-0011223344556677'), 'x')
    const lock = await lockHome(home)
    expect(await readdir(join(home, 'lock'))).toEqual(['00000001'])
    await lock.release()
  })
})

describe('twenty processes', () => {
  test('racing over a dead holder, a released lock or none: exactly one wins each time', async () => {
    const contenders = Array.from({ length: 20 }, startContender)
    const dead = spawn(process.execPath, ['-e', ''])
    await once(dead, 'exit')
    const own = await ownRecord()
    for (let round = 0; round < 30; round++) {
      home = join(base, `round-${round}`)
      if (round % 3 === 0) await plant({ ...own, pid: dead.pid, start: '1' })
      if (round % 3 === 1) await plant('{"released":true}')
      const answers = await Promise.all(contenders.map(({ ask }) => ask(`take ${home}`)))
      expect([...answers].sort()).toEqual([...Array(19).fill('home_locked'), 'won'])
      await contenders[answers.indexOf('won')]!.ask('free')
    }
  }, 60_000)

  test('taking and giving back one folder for a second: never two at once', async () => {
    const contenders = Array.from({ length: 8 }, startContender)
    await mkdir(home, { recursive: true })
    const answers = await Promise.all(contenders.map(({ ask }) => ask(`contend ${home} 1000`)))
    const counts = answers.map((answer) => answer.split(' ').map(Number))
    expect(counts.map(([, violations]) => violations)).toEqual(Array(8).fill(0))
    expect(counts.reduce((sum, [times = 0]) => sum + times, 0)).toBeGreaterThan(10)
  }, 30_000)
})
