import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type HttpApp, outcome, type Reply, serveApp, trainSmall } from './client.ts'

let app: HttpApp
const lines = '{"cpu":0.1,"latency":12}\n{"cpu":50,"latency":2e7}\n'
const json = JSON.stringify({ model: 'web', rows: [{ cpu: 0.1, latency: 12 }] })

/** A Zstandard frame of one raw block. */
function zstd(text: string): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt32LE(0xfd2fb528)
  head[4] = 0xa0
  head.writeUInt32LE(text.length, 5)
  head.writeUIntLE(1 | (text.length << 3), 9, 3)
  return Buffer.concat([head, Buffer.from(text)])
}

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_UPLOAD_BYTES: '1MiB', DEEPWATCH_JSON_BYTES: '64KiB' })
  await trainSmall(app, 'web', { threshold: { contamination: 0.1 } })
})

const score = (body: string | Buffer, headers: Readonly<Record<string, string>>): Promise<Reply> =>
  app.send('POST', '/score?model=web', { body, headers })
const spoolIsEmpty = () =>
  vi.waitUntil(async () => (await readdir(join(app.home, 'spool'))).length === 0, { interval: 5 })
const packings = { gzip: (text: string) => gzipSync(text), 'x-gzip': (text: string) => gzipSync(text), zstd }

describe('a packed body', () => {
  test('of telemetry is read by its content, or as Content-Encoding says', async () => {
    const plain = (await score(lines, { 'content-type': 'application/x-ndjson' })).text
    expect(JSON.parse(plain)).toMatchObject({ rows: 2, anomalies: 1 })
    for (const [encoding, pack] of Object.entries(packings)) {
      const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': encoding }
      expect((await score(pack(lines), headers)).text).toBe(plain)
      expect((await score(pack(lines), {})).text).toBe(plain)
    }
    await spoolIsEmpty()
  })

  test('of JSON gives the same answer as a plain one', async () => {
    const headers = { 'content-type': 'application/json' }
    const plain = (await score(json, headers)).text
    for (const [encoding, pack] of Object.entries(packings))
      expect((await score(pack(json), { ...headers, 'content-encoding': encoding })).text).toBe(plain)
  })

  test('in a form is the packed file', async () => {
    const form = new FormData()
    form.append('config', JSON.stringify({ model: 'web' }))
    form.append('file', new Blob([gzipSync(lines)], { type: 'application/gzip' }), 'x.ndjson.gz')
    const answer = await fetch(new URL('/score', app.url), { method: 'POST', body: form })
    expect(await answer.json()).toMatchObject({ rows: 2, anomalies: 1 })
  })

  const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024, lines))
  const refused: [string, string | Buffer, Readonly<Record<string, string>>, string][] = [
    ['a bomb', bomb, {}, '413 decoded_too_large'],
    [
      'a bomb in JSON',
      bomb,
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      '413 decoded_too_large',
    ],
    ['plain telemetry', lines, { 'content-encoding': 'gzip' }, '415 format_mismatch'],
    ['plain JSON', json, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, '415 format_mismatch'],
    ['the other packing', gzipSync(lines), { 'content-encoding': 'zstd' }, '415 format_mismatch'],
    ['cut telemetry', gzipSync(lines).subarray(0, -4), { 'content-encoding': 'gzip' }, '422 source_unreadable'],
    ['cut Zstandard', zstd(lines).subarray(0, -4), {}, '422 source_unreadable'],
    [
      'cut JSON',
      gzipSync(json).subarray(0, -4),
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      '422 source_unreadable',
    ],
    ['what is packed twice', gzipSync(gzipSync(lines)), {}, '415 unknown_format'],
    [
      'a form',
      'x',
      { 'content-type': 'multipart/form-data; boundary=x', 'content-encoding': 'gzip' },
      '415 unsupported_media_type',
    ],
  ]
  test.each(refused)('that is %s is refused', async (_, body, headers, expected) => {
    expect(outcome(await score(body, headers))).toBe(expected)
    await spoolIsEmpty()
  })

  test('of settings alone is refused', async () => {
    const reply = await app.send('PUT', '/models/web/serving', {
      body: gzipSync('{"version":1}'),
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    })
    expect(outcome(reply)).toBe('415 unsupported_media_type')
  })
})

test('the forms of an answer are listed once', async () => {
  const { detail } = (await score(lines, { accept: 'text/html' })).json<{ detail: string }>()
  const forms = detail.match(/[a-z]+\/[a-z0-9.+-]+/g) ?? []
  expect(forms.length).toBeGreaterThan(1)
  expect(new Set(forms).size).toBe(forms.length)
})
