import { createHash } from 'node:crypto'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type HttpApp, outcome, type Reply, serveApp, smallForest, trainSmall } from './client.ts'
import { exchange, rawHead, rawRequest } from './wire.ts'

let app: HttpApp
const parquet = 'application/vnd.apache.parquet'
const arrow = 'application/vnd.apache.arrow.stream'
const ndjson = 'application/x-ndjson'

const csv = (rows: number) =>
  `cpu,latency,host\n${Array.from({ length: rows }, (_, row) => `${Math.sin(row)},${12 + Math.cos(row)},h${row % 3}\n`).join('')}`
const lines = '{"cpu":0.1,"latency":12}\n{"cpu":50,"latency":2e7}\n'

beforeAll(async () => {
  app = await serveApp({
    DEEPWATCH_UPLOAD_BYTES: '8MiB',
    DEEPWATCH_SPOOL_BYTES: '12MiB',
    DEEPWATCH_BODY_STALL_MS: '2000',
  })
  await trainSmall(app, 'web', { threshold: { contamination: 0.1 } })
  const root = join(app.home, 'telemetry')
  await writeFile(join(root, 'good.csv'), csv(20))
  await mkdir(join(root, 'folder'))
  await writeFile(join(app.home, 'outside.csv'), csv(20))
  await symlink(join(app.home, 'outside.csv'), join(root, 'link.csv'))
})

interface Answer {
  rows: number
  anomalies: number
  results: { row: number; score: number }[]
}

const upload = (
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  search = '?model=web',
): Promise<Reply> => app.send('POST', `/score${search}`, { body, headers })
const spoolIsEmpty = () =>
  vi.waitUntil(async () => (await readdir(join(app.home, 'spool'))).length === 0, { interval: 5 })

describe('an uploaded source', () => {
  test('is recognised by its content, or by a type that agrees with it', async () => {
    const same = new Set<string>()
    for (const type of [undefined, ndjson, 'application/octet-stream', 'Application/X-NDJSON; charset=utf-8'])
      same.add((await upload(lines, type === undefined ? {} : { 'content-type': type }, '?model=web&return=all')).text)
    const [text = '', ...others] = same
    expect(others).toEqual([])
    expect(JSON.parse(text)).toMatchObject({ rows: 2, anomalies: 1, unscored: 0 })
    await spoolIsEmpty()
  })

  test('answers in JSON with its anomalies alone, unless asked for all', async () => {
    const answer = (await upload(lines, { 'content-type': ndjson })).json<Answer>()
    expect(answer).toMatchObject({ rows: 2, anomalies: 1, results: [{ row: 1 }] })
    const all = await upload(lines, { 'content-type': ndjson, accept: ndjson })
    expect(all.text.trimEnd().split('\n')).toHaveLength(3)
  })

  const refused: [string, string, Readonly<Record<string, string>>, string, string?][] = [
    ['nothing', '', { 'content-type': 'text/csv' }, '422 source_empty'],
    ['CSV that is NDJSON', lines, { 'content-type': 'text/csv' }, '415 format_mismatch'],
    ['Parquet that is CSV', csv(3), { 'content-type': parquet }, '415 format_mismatch'],
    ['Arrow that is CSV', csv(3), { 'content-type': arrow }, '415 format_mismatch'],
    ['magic bytes alone', 'PAR1', {}, '422 not_parquet'],
    ['noise', '\u0001\u0002\u0003', {}, '415 unknown_format'],
    ['UTF-16', Buffer.from(csv(3), 'utf16le').toString('latin1'), {}, '415 unknown_format'],
    ['text in another charset', csv(3), { 'content-type': 'text/csv; charset=utf-16' }, '415 unsupported_media_type'],
    ['a digest of something else', lines, { 'content-digest': `sha-256=:${'A'.repeat(43)}=:` }, '422 digest_mismatch'],
    ['a digest that is none', lines, { 'content-digest': 'sha-256=abc' }, '400 malformed_request'],
    ['more than is taken', csv(300_000), { 'content-type': 'text/csv' }, '413 body_too_large'],
    ['no model', lines, { 'content-type': ndjson }, '422 validation_failed', ''],
    [
      'a second source in the query',
      lines,
      { 'content-type': ndjson },
      '422 validation_failed',
      '?model=web&source={"path":"good.csv"}',
    ],
    ['rows in the query', lines, { 'content-type': ndjson }, '422 validation_failed', '?model=web&rows=[{"cpu":1}]'],
    ['an unknown model', lines, { 'content-type': ndjson }, '404 model_not_found', '?model=none'],
    ['another schema', 'a,b\n1,2\n', { 'content-type': 'text/csv' }, '422 missing_feature'],
    [
      'a word among numbers',
      'cpu,latency\n1,2\nhigh,2\n',
      { 'content-type': 'text/csv' },
      '422 (type_mismatch|source_unreadable)',
    ],
    ['a ragged line', 'cpu,latency\n1,2\n1,2,3,4\n', { 'content-type': 'text/csv' }, '422 source_unreadable'],
    ['a column twice', 'cpu,latency,cpu\n1,2,3\n', { 'content-type': 'text/csv' }, '422 duplicate_column'],
    [
      'a column that is not there',
      lines,
      { 'content-type': ndjson },
      '422 unknown_column',
      '?model=web&include=["nothing"]',
    ],
    ['a table without rows to write', lines, { accept: parquet }, '422 unused_setting', '?model=web&return=none'],
    ['a table with echoed columns', lines, { accept: arrow }, '422 unused_setting', '?model=web&include=["cpu"]'],
  ]
  for (const [what, body, headers, expected, search] of refused) {
    test(`of ${what} answers ${expected} and is gone`, async () => {
      expect(outcome(await upload(body, headers, search && encodeURI(search)))).toMatch(new RegExp(`^${expected}$`))
      await spoolIsEmpty()
    })
  }

  test('with the right digest is taken', async () => {
    const digest = createHash('sha256').update(lines).digest('base64')
    expect(outcome(await upload(lines, { 'content-digest': `sha-512=:eA==:, sha-256=:${digest}:` }))).toBe('200')
  })

  test('trains a model, whose document names no file', async () => {
    const search = new URLSearchParams({
      model: 'uploaded',
      detector: JSON.stringify(smallForest),
      entity: 'host',
    }).toString()
    const reply = await app.send('POST', `/train?${search}`, {
      body: csv(100),
      headers: { 'content-type': 'text/csv' },
    })
    expect(outcome(reply)).toBe('201')
    expect(reply.json()).toMatchObject({
      features: [{ name: 'cpu' }, { name: 'latency' }],
      training: {
        rows: 100,
        source: {
          kind: 'upload',
          format: 'csv',
          files: [],
          sha256: createHash('sha256').update(csv(100)).digest('hex'),
        },
      },
    })
  })

  test('that finds the spool full is refused, and taken when there is room', async () => {
    const head = rawHead('POST /score?model=web', { 'Content-Type': 'text/csv' })
    const size = 7 * 1024 * 1024
    const half = () => exchange(app.url, [head, `${size.toString(16)}\r\n${'1'.repeat(size)}\r\n`], { answers: 1 })
    // There is room for one and a half of them; neither is complete, so the other one waits in vain.
    const both = [half(), half()]
    expect((await Promise.race(both)).replies.map(outcome)).toEqual(['507 storage_full'])
    expect((await Promise.all(both)).flatMap(({ replies }) => replies.map(outcome)).sort()).toEqual([
      '408 request_timeout',
      '507 storage_full',
    ])
    await spoolIsEmpty()
    expect(outcome(await upload(lines))).toBe('200')
  })
})

describe('a scored table', () => {
  test('as Parquet and as Arrow holds the columns of the source with score and flag, and can be scored again', async () => {
    for (const [type, magic] of [
      [parquet, 'PAR1'],
      [arrow, '\xff\xff\xff\xff'],
    ] as const) {
      const reply = await upload(csv(50), { 'content-type': 'text/csv', accept: type })
      expect([outcome(reply), reply.headers['content-type']]).toEqual(['200', type])
      expect(reply.headers['deepwatch-model']).toBe('web@1')
      expect(Number(reply.headers['deepwatch-threshold'])).toBeGreaterThan(0)
      expect(reply.bytes.subarray(0, 4).toString('latin1')).toBe(magic)
      if (type === parquet) expect(reply.headers['content-length']).toBe(String(reply.bytes.length))
      const include = encodeURIComponent('["host","anomaly_score","is_anomaly"]')
      const again = (
        await upload(reply.bytes, { 'content-type': type }, `?model=web&return=all&include=${include}`)
      ).json<{
        results: { score: number; isAnomaly: boolean; values: Record<string, unknown> }[]
      }>()
      expect(again.results).toHaveLength(50)
      for (const [row, { score, isAnomaly, values }] of again.results.entries())
        expect(values).toEqual({ host: `h${row % 3}`, anomaly_score: score, is_anomaly: isAnomaly })
      await spoolIsEmpty()
    }
  })

  test('can be had for JSON rows, and of the anomalies alone', async () => {
    const rows = [
      { cpu: 0.1, latency: 12, host: 'a' },
      { cpu: 50, latency: 2e7, host: 'b' },
    ]
    const reply = await app.post('/score', { model: 'web', rows, return: 'anomalies' }, { accept: parquet })
    expect(outcome(reply)).toBe('200')
    const again = (await upload(reply.bytes, {}, '?model=web&return=all&include=["host"]')).json()
    expect(again).toMatchObject({ rows: 1, results: [{ row: 0, values: { host: 'b' } }] })
  })

  test('is removed when its client leaves', async () => {
    await exchange(
      app.url,
      [
        rawRequest(
          'POST /score?model=web',
          { 'Content-Type': 'text/csv', Accept: parquet, 'Content-Length': String(csv(50).length) },
          csv(50),
        ),
      ],
      { end: true },
    )
    await spoolIsEmpty()
  })
})

describe('a source that breaks off late', () => {
  // The answer has begun when the broken line is met: a MiB is held back and some blocks are read ahead, and this is more.
  const broken = `cpu,latency\n${'1,2\n'.repeat(400_000)}1,2,3,4,5\n`

  test('ends NDJSON with a problem line', async () => {
    const reply = await upload(broken, { 'content-type': 'text/csv', accept: ndjson })
    expect(reply.status).toBe(200)
    const last = JSON.parse(reply.text.trimEnd().split('\n').at(-1)!) as { problem: Record<string, unknown> }
    expect(last).toMatchObject({
      problem: { status: 422, code: 'source_unreadable', requestId: reply.headers['x-request-id'] },
    })
  })

  test('aborts JSON without its end', async () => {
    const { replies, received } = await exchange(app.url, [
      rawRequest(
        'POST /score?model=web&return=all',
        { 'Content-Type': 'text/csv', 'Content-Length': String(broken.length) },
        broken,
      ),
    ])
    expect(replies).toHaveLength(1)
    expect(received).toMatch(/^HTTP\/1\.1 200 /)
    expect(received).not.toMatch(/\r\n0\r\n\r\n$/)
    // The client learns nothing more; the log does.
    const requestId = replies[0]!.headers['x-request-id']
    expect(
      app.log.find((line) => line['requestId'] === requestId && line['code'] === 'source_unreadable'),
    ).toBeDefined()
  })

  test('and early it is an ordinary problem', async () => {
    const reply = await upload(`${csv(10)}1,2,3,4,5\n`, { 'content-type': 'text/csv', accept: ndjson })
    expect(outcome(reply)).toBe('422 source_unreadable')
  })
})

describe('a source by path', () => {
  const cases: [string, unknown, string][] = [
    ['a file', 'good.csv', '200'],
    ['a list', ['good.csv', 'good.csv'], '200'],
    ['a file that is not there', 'none.csv', '404 source_not_found'],
    ['a way up', '../outside.csv', '403 path_not_allowed'],
    ['a link to the outside', 'link.csv', '403 path_not_allowed'],
    ['an absolute path to the outside', '/etc/passwd', '403 path_not_allowed'],
    ['an address', 'https://example.com/a.parquet', '403 url_not_allowed'],
    ['a bucket', 's3://bucket/a.parquet', '403 url_not_allowed'],
    ['an empty folder', 'folder', '(404|422) \\w+'],
    ['nothing', '', '422 validation_failed'],
    ['an empty list', [], '422 validation_failed'],
    ['a number', 5, '422 validation_failed'],
  ]
  for (const [what, path, expected] of cases) {
    test(`${what} answers ${expected}`, async () => {
      const reply = await app.post('/score', { model: 'web', source: { path } })
      expect(outcome(reply)).toMatch(new RegExp(`^${expected}$`))
    })
  }
})
