/** What lines of the log show and hide, and that none is lost when the process ends. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createLog } from '../../src/observe/log.ts'

function startLog() {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>)
  const log = createLog({ LOG_LEVEL: 'info', home: '/nowhere', roots: ['/nowhere/data'] }, { write })
  return { lines, log }
}

test('a line has its level as a word, its time, the service, what is bound, its facts and its message', () => {
  const { lines, log } = startLog()
  log.child({ requestId: 'r1' }).info({ status: 200, clientRequestId: undefined }, 'answered')
  log.debug({ quiet: true }, 'not at this level')
  expect(lines).toHaveLength(1)
  const { time, ...line } = lines[0]!
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(line).toEqual({ level: 'info', service: 'deepwatch', requestId: 'r1', status: 200, msg: 'answered' })
  expect(Object.keys(lines[0]!)).toEqual(['level', 'time', 'service', 'requestId', 'status', 'msg'])
})

test('header fields and credentials are shown to nobody', () => {
  const { lines, log } = startLog()
  const facts = { headers: { authorization: 'Bearer canary' }, token: { authorization: 'Bearer canary', name: 'ci' } }
  log.info(facts, 'asked')
  log.child({ requestId: 'r1' }).info(facts, 'asked')
  for (const line of lines)
    expect(line).toMatchObject({ headers: '[Redacted]', token: { authorization: '[Redacted]', name: 'ci' } })
  expect(JSON.stringify(lines)).not.toContain('canary')
  expect(facts.headers.authorization).toContain('canary')
})

test('an error is told with its code and cause, and without the places where files lie', () => {
  const { lines, log } = startLog()
  const cause = Object.assign(new Error('no room in /nowhere/models'), { code: 'ENOSPC' })
  log.error({ err: new Error('cannot read /nowhere/data/web.parquet', { cause }) }, 'failed')
  expect(lines[0]).toMatchObject({
    level: 'error',
    err: {
      type: 'Error',
      message: 'cannot read $root/web.parquet',
      cause: { code: 'ENOSPC', message: 'no room in $home/models' },
    },
    msg: 'failed',
  })
  expect(JSON.stringify(lines)).not.toContain('/nowhere')
  expect(JSON.stringify(lines)).not.toContain(fileURLToPath(new URL('../../..', import.meta.url)))
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
