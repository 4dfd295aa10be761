/** Lines of the log are written together, and none is lost when the process ends. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { collectLines } from '../../src/observe/log-lines.ts'

describe('lines', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function collect() {
    const written: string[] = []
    const lines = collectLines(
      {
        write: (text) => written.push(text),
        flush: () => written.push('flushed'),
        flushSync: () => written.push('flushed at once'),
      },
      { characters: 10, milliseconds: 100 },
    )
    return { lines, written }
  }

  test('wait until there are enough of them', () => {
    const { lines, written } = collect()
    for (const line of ['abc\n', 'def\n', 'g\n', 'h\n']) lines.write(line)
    expect(written).toEqual(['abc\ndef\ng\n'])
    lines.write('a line that is long\n')
    expect(written).toEqual(['abc\ndef\ng\n', 'h\na line that is long\n'])
  })

  test('wait for no longer than they may, and are then written', () => {
    const { lines, written } = collect()
    lines.write('abc\n')
    vi.advanceTimersByTime(99)
    expect(written).toEqual([])
    vi.advanceTimersByTime(1)
    expect(written).toEqual(['abc\n', 'flushed'])
    vi.advanceTimersByTime(1_000)
    expect(written).toEqual(['abc\n', 'flushed'])
    lines.write('def\n')
    vi.advanceTimersByTime(100)
    expect(written.slice(2)).toEqual(['def\n', 'flushed'])
  })

  test('do nothing to a destination that may have ended when none waits', () => {
    const { lines, written } = collect()
    lines.write('abc\n')
    lines.write('a line that is long\n')
    vi.advanceTimersByTime(1_000)
    expect(written).toEqual(['abc\na line that is long\n'])
  })

  test('are handed on when that is asked for, once', () => {
    const { lines, written } = collect()
    lines.write('abc\n')
    lines.handOn()
    lines.handOn()
    expect(written).toEqual(['abc\n'])
    lines.write('def\n')
    lines.flushSync()
    expect(written.slice(1)).toEqual(['def\n', 'flushed at once'])
  })
})

describe('a process that ends', () => {
  const log = fileURLToPath(new URL('../../src/observe/log.js', import.meta.url))
  const setup = `import { createLog } from ${JSON.stringify(log)}
    const log = createLog({ LOG_LEVEL: 'info', home: '/nowhere', roots: [] })
    const write = (count) => { for (let n = 0; n < count; n++) log.info({ n }, 'line') }\n`
  const numbersOf = async (script: string) => {
    const ended = promisify(execFile)(process.execPath, ['--input-type=module', '-e', setup + script])
    const { stdout } = await ended.catch((error: { stdout: string }) => error)
    return stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n)
  }
  const countTo = (count: number) => Array.from({ length: count }, (_, n) => n)

  test('as there is nothing left to do has written every line', async () => {
    expect(await numbersOf('write(3)')).toEqual(countTo(3))
    expect(await numbersOf('write(5000)')).toEqual(countTo(5000))
  })

  test('because it is told to, or fails, has written the lines of the last moment', async () => {
    expect(await numbersOf('write(3); process.exit(1)')).toEqual(countTo(3))
    expect(await numbersOf('write(3); throw new Error()')).toEqual(countTo(3))
  })

  test('at once has written its fatal line, and those before', async () => {
    const end = "log.fatal({ n: 3 }, 'the end'); process.kill(process.pid, 'SIGKILL')"
    expect(await numbersOf(`write(3); ${end}`)).toEqual(countTo(4))
  })
})
