/** What a request's own log writes, and what no line of the log shows. */
import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { expect, test } from 'vitest'
import { RequestLog } from '../../src/http/request-log.ts'
import { createLog } from '../../src/observe/log.ts'

function startLog() {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => {
    const { time: _, ...rest } = JSON.parse(line) as Record<string, unknown>
    lines.push(rest)
  }
  const log = createLog({ LOG_LEVEL: 'info', home: '/nowhere', roots: [] }, { write })
  return { lines, log: log as unknown as FastifyBaseLogger }
}

test('a line is that of a child, for facts, texts, errors and children', () => {
  const { lines, log } = startLog()
  const bindings = { requestId: 'r1' }
  for (const each of [new RequestLog(log, bindings) as unknown as FastifyBaseLogger, log.child(bindings)]) {
    each.info({ status: 200, gone: undefined }, 'answered')
    each.warn('a text of %s', 'two parts')
    each.error(new Error('broken'))
    each.debug({ quiet: true }, 'not at this level')
    each.child({ part: 1 }).info({ more: true }, 'of a child')
    each.info({ status: 200 }, 'answered')
  }
  const shown = lines.map((line) => JSON.stringify({ ...line, err: undefined }))
  expect(shown.length).toBe(10)
  expect(shown.slice(0, 5)).toEqual(shown.slice(5))
  expect(Object.keys(lines[0]!)).toEqual(['level', 'service', 'requestId', 'status', 'msg'])
})

test('a level of its own holds', () => {
  const { lines, log } = startLog()
  const quiet = new RequestLog(log, { requestId: 'r1' }, { level: 'warn' })
  quiet.info({ status: 200 }, 'answered')
  quiet.warn({ status: 500 }, 'refused')
  expect(lines.map(({ msg }) => msg)).toEqual(['refused'])
  expect(quiet.level).toBe('warn')
})

test('header fields and credentials are shown to nobody', () => {
  const { lines, log } = startLog()
  const facts = { headers: { authorization: 'Bearer canary' }, token: { authorization: 'Bearer canary', name: 'ci' } }
  log.info(facts, 'asked')
  expect(lines[0]).toMatchObject({ headers: '[Redacted]', token: { authorization: '[Redacted]', name: 'ci' } })
  expect(JSON.stringify(lines)).not.toContain('canary')
  expect(facts.headers.authorization).toContain('canary')
})

test('the line of an answered request is the one that pino writes', () => {
  const lines: string[] = []
  const log = createLog({ LOG_LEVEL: 'info', home: '/nowhere', roots: [] }, { write: (line) => lines.push(line) })
  const facts = { requestId: randomUUID(), method: 'POST', route: '/models/:name', status: 200, ms: 0, complete: true }
  const others = { status: 499, ms: 72_000, complete: false, method: 'M-SEARCH', route: 'unmatched' }
  for (const each of [
    { ...facts, clientRequestId: undefined },
    { ...facts, clientRequestId: 'a.b_C-9' },
    { ...facts, ...others, clientRequestId: 'x'.repeat(64) },
    // What differs from the line before in one thing alone is told as well.
    { ...facts, clientRequestId: undefined },
    { ...facts, status: 404, clientRequestId: undefined },
    { ...facts, status: 404, route: '/jobs/:id', clientRequestId: undefined },
    { ...facts, status: 404, route: '/jobs/:id', method: 'GET', clientRequestId: undefined },
    { ...facts, status: 404, route: '/jobs/:id', method: 'GET', requestId: randomUUID(), clientRequestId: undefined },
  ]) {
    log.info(each, 'answered')
    log.answered(each)
    const [pinos = '', ours = ''] = lines.splice(0).map((line) => line.replace(/"time":"[^"]{24}"/, '"time":""'))
    expect(ours).toBe(pinos)
  }
  log.level = 'warn'
  log.answered({ ...facts, clientRequestId: undefined })
  expect(lines).toEqual([])
})
