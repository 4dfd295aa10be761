import { readdir } from 'node:fs/promises'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { canary, type HttpApp, outcome, type Reply, serveApp, trainSmall } from './client.ts'
import { exchange, rawRequest } from './wire.ts'

let app: HttpApp
const csv = 'cpu,latency\n0.1,12\n0.2,13\n'
const config = '{"model":"web","return":"all"}'

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_UPLOAD_BYTES: '64KiB', DEEPWATCH_BODY_STALL_MS: '300' })
  await trainSmall(app, 'web')
})

interface Part {
  readonly name: string
  readonly content: string | Buffer
  readonly filename?: string
  readonly type?: string
  /** Instead of the usual header. */
  readonly head?: string
}

/** A multipart body of these parts, with its final boundary unless it is left out. */
function bodyOf(parts: readonly Part[], { boundary = 'b0undary', end = true } = {}): Buffer {
  const pieces = parts.flatMap(({ name, content, filename, type, head }) => [
    `--${boundary}\r\n`,
    head ??
      `Content-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}`,
    '\r\n',
    content,
    '\r\n',
  ])
  return Buffer.concat([...pieces, end ? `--${boundary}--\r\n` : ''].map((piece) => Buffer.from(piece as string)))
}

const send = (body: Buffer, type = 'multipart/form-data; boundary=b0undary', search = ''): Promise<Reply> =>
  app.send('POST', `/score${search}`, { body, headers: { 'content-type': type } })

const file: Part = { name: 'file', filename: 'x.csv', type: 'text/csv', content: csv }
const settings: Part = { name: 'config', content: config }

/** Nothing of a finished request is left in the spool. */
const spoolIsEmpty = () => vi.waitUntil(async () => (await readdir(`${app.home}/spool`)).length === 0, { interval: 5 })

describe('a multipart body is scored', () => {
  const good: [string, readonly Part[], string][] = [
    ['config before file', [settings, file], ''],
    ['config as JSON', [{ ...settings, type: 'application/json' }, file], ''],
    ['config as JSON with a charset', [{ ...settings, type: 'application/json; charset=utf-8' }, file], ''],
    ['config as a file', [{ ...settings, filename: 'config.json', type: 'application/json' }, file], ''],
    ['settings in the query', [file], '?model=web&return=all'],
    ['settings in both, the same', [settings, file], '?model=web'],
    ['a file without a type', [settings, { name: 'file', filename: 'x', content: csv }], ''],
    ['a file of unknown bytes', [settings, { ...file, type: 'application/octet-stream' }], ''],
    ['a file without a name', [settings, { name: 'file', type: 'text/csv', content: csv }], ''],
  ]
  for (const [what, parts, search] of good) {
    test(what, async () => {
      const reply = await send(bodyOf(parts), undefined, search)
      expect(reply.text).toMatch(/"rows":2,/)
      expect(reply.json()).toMatchObject({ model: 'web', rows: 2, unscored: 0 })
      await spoolIsEmpty()
    })
  }

  const names = [
    '../../x',
    'x'.repeat(4096),
    '\u202egnp.exe',
    '<img onerror=1>',
    `C:\\fakepath\\${canary}.csv`,
    '/etc/passwd',
  ]
  for (const filename of names) {
    test(`row 32: the file name ${JSON.stringify(filename.slice(0, 20))} means nothing and is shown nowhere`, async () => {
      const reply = await send(bodyOf([settings, { ...file, filename }]))
      expect(outcome(reply)).toBe('200')
      const trained = await app.send('POST', '/train?model=named', {
        body: bodyOf([{ ...file, filename }]),
        headers: { 'content-type': 'multipart/form-data; boundary=b0undary' },
      })
      expect(outcome(trained)).toBe('201')
      expect(trained.json()).toMatchObject({ training: { source: { kind: 'upload', files: [] } } })
    })
  }

  test('row 32: line breaks and NUL in a file name break nothing', async () => {
    for (const filename of ['a\r\nContent-Type: text/html', 'a\0b', 'a\nb']) {
      const reply = await send(bodyOf([settings, { ...file, filename }]))
      expect(outcome(reply)).toMatch(/^(200|400 (malformed_multipart|missing_file)|415 unsupported_media_type)$/)
    }
  })

  test('the type of the form may be written in any case, its boundary in quotes', async () => {
    for (const type of [
      'Multipart/Form-Data; Boundary=b0undary',
      'multipart/form-data; charset=utf-8; boundary="b0undary"',
    ])
      expect(outcome(await send(bodyOf([settings, file]), type))).toBe('200')
  })
})

describe('a multipart body is refused', () => {
  const many = (count: number, part: (index: number) => Part) =>
    bodyOf(Array.from({ length: count }, (_, index) => part(index)))
  const cases: [number, string, Buffer, string, (string | undefined)?, string?][] = [
    [25, 'no boundary', bodyOf([settings, file]), '400 malformed_multipart', 'multipart/form-data'],
    [25, 'an empty boundary', bodyOf([settings, file]), '400 malformed_multipart', 'multipart/form-data; boundary=""'],
    [
      25,
      'a boundary of 252 bytes',
      bodyOf([settings, file], { boundary: 'b'.repeat(252) }),
      '400 malformed_multipart',
      `multipart/form-data; boundary=${'b'.repeat(252)}`,
    ],
    [
      25,
      'a boundary of 71 bytes',
      bodyOf([settings, file], { boundary: 'b'.repeat(71) }),
      '400 malformed_multipart',
      `multipart/form-data; boundary=${'b'.repeat(71)}`,
    ],
    [
      25,
      'a boundary with spaces',
      bodyOf([settings, file], { boundary: 'a b' }),
      '400 malformed_multipart',
      'multipart/form-data; boundary="a b"',
    ],
    [
      25,
      'another boundary',
      bodyOf([settings, file]),
      '400 malformed_multipart',
      'multipart/form-data; boundary=other',
    ],
    [25, 'nothing at all', Buffer.alloc(0), '400 missing_file'],
    [26, 'a body cut in the file', bodyOf([settings, file], { end: false }), '400 incomplete_body'],
    [
      26,
      'a body cut in the config',
      Buffer.from('--b0undary\r\nContent-Disposition: form-data; name="config"\r\n\r\n{"mod'),
      '400 incomplete_body',
    ],
    [
      27,
      'a part header that never ends',
      Buffer.from(`--b0undary\r\nContent-Disposition: form-data; name="file"; filename="${'x'.repeat(20_000)}`),
      '400 malformed_multipart',
    ],
    [27, 'a part without a header', Buffer.from('--b0undary\r\n\r\nx\r\n--b0undary--\r\n'), '400 missing_file'],
    [
      27,
      '200 header fields in a part',
      bodyOf([
        { ...file, head: `Content-Disposition: form-data; name="file"; filename="x"\r\n${'X-A: b\r\n'.repeat(200)}` },
      ]),
      '200',
      undefined,
      '?model=web',
    ],
    [28, 'no part', bodyOf([]), '400 missing_file'],
    [28, 'config alone', bodyOf([settings]), '400 missing_file'],
    [28, 'another part', bodyOf([{ ...file, name: 'data' }]), '400 malformed_multipart'],
    [29, 'two files', bodyOf([settings, file, file]), '400 malformed_multipart'],
    [29, 'two configs', bodyOf([settings, settings, file]), '400 malformed_multipart'],
    [
      30,
      '10,000 fields',
      many(10_000, (index) => ({ name: `f${index}`, content: 'x' })),
      '400 malformed_multipart|413 too_many_parts',
    ],
    [
      30,
      '10,000 files',
      many(10_000, () => file),
      '400 malformed_multipart|413 too_many_parts',
      undefined,
      '?model=web',
    ],
    [
      30,
      '10,000 configs',
      many(10_000, () => ({ name: 'config', content: '{}' })),
      '400 malformed_multipart|413 too_many_parts',
    ],
    [
      31,
      'a file over the limit',
      bodyOf([settings, { ...file, content: `${csv}${'0.1,12\n'.repeat(20_000)}` }]),
      '413 body_too_large',
    ],
    [
      31,
      'a config over its limit',
      bodyOf([{ ...settings, content: `{"model":"${'w'.repeat(1_100_000)}"}` }, file]),
      '413 body_too_large',
    ],
    [
      33,
      'a part called __proto__',
      bodyOf([{ name: '__proto__', content: '{}' }, settings, file]),
      '400 malformed_multipart',
    ],
    [33, 'a file called __proto__', bodyOf([settings, { ...file, name: '__proto__' }]), '400 malformed_multipart'],
    [
      33,
      'a part called constructor',
      bodyOf([{ name: 'constructor', content: '{}' }, settings, file]),
      '400 malformed_multipart',
    ],
    [
      33,
      'a header called constructor',
      bodyOf([settings, { ...file, head: 'constructor: x\r\n__proto__: y\r\n' }]),
      '400 missing_file',
    ],
    [34, 'config after the file', bodyOf([file, settings]), '400 malformed_multipart', undefined, '?model=web'],
    [34, 'a field after the file', bodyOf([settings, file, { name: 'note', content: 'x' }]), '400 malformed_multipart'],
    [
      35,
      'config that is not UTF-8',
      bodyOf([{ ...settings, content: Buffer.from('{"model":"w\xffb"}', 'latin1') }, file]),
      '400 malformed_json',
    ],
    [35, 'config that is no JSON', bodyOf([{ ...settings, content: 'model=web' }, file]), '400 malformed_json'],
    [
      37,
      'config with a key twice',
      bodyOf([{ ...settings, content: '{"model":"web","model":"web"}' }, file]),
      '400 duplicate_key',
    ],
    [
      37,
      'config as JSON with a key twice',
      bodyOf([{ ...settings, type: 'application/json', content: '{"model":"web","model":"web"}' }, file]),
      '400 duplicate_key',
    ],
    [
      38,
      'config with __proto__',
      bodyOf([{ ...settings, content: '{"__proto__":{"model":"web"}}' }, file]),
      '400 malformed_json',
    ],
    [
      40,
      'config with an unknown key',
      bodyOf([{ ...settings, content: '{"model":"web","x":1}' }, file]),
      '422 validation_failed',
    ],
    [40, 'config that is a list', bodyOf([{ ...settings, content: '[]' }, file]), '422 validation_failed'],
    [
      40,
      'config with rows',
      bodyOf([{ ...settings, content: '{"model":"web","rows":[]}' }, file]),
      '422 validation_failed',
    ],
    [
      40,
      'config with a source',
      bodyOf([{ ...settings, content: '{"model":"web","source":{"path":"x"}}' }, file]),
      '422 validation_failed',
    ],
    [
      40,
      'config and query that differ',
      bodyOf([settings, file]),
      '422 conflicting_parameter',
      undefined,
      '?model=web@1',
    ],
    [1, 'a file of an unknown type', bodyOf([settings, { ...file, type: 'image/png' }]), '415 unsupported_media_type'],
    [
      1,
      'a file that is not its type',
      bodyOf([settings, { ...file, type: 'application/vnd.apache.parquet' }]),
      '415 format_mismatch',
    ],
    [28, 'an empty file', bodyOf([settings, { ...file, content: '' }]), '422 source_empty'],
  ]
  for (const [number, what, body, expected, type, search] of cases) {
    test(`row ${number}: ${what} answers ${expected}`, async () => {
      expect(outcome(await send(body, type, search))).toMatch(new RegExp(`^(${expected})$`))
      await spoolIsEmpty()
    })
  }

  test('T12: nothing of that reached a prototype', () => {
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as { model?: unknown }).model).toBeUndefined()
  })

  test('rows 26 and 27: a body that stops coming is 408 within the stall time', async () => {
    for (const cut of [40, 160, 220]) {
      const body = bodyOf([settings, file])
      const head = rawRequest('POST /score', {
        'Content-Type': 'multipart/form-data; boundary=b0undary',
        'Content-Length': String(body.length),
      })
      const { replies } = await exchange(app.url, [head, body.subarray(0, cut)], { answers: 1 })
      expect(replies.map(outcome)).toEqual(['408 request_timeout'])
    }
    await spoolIsEmpty()
  })

  test('row 26: a client that leaves in the middle leaves nothing behind', async () => {
    for (const cut of [40, 160, 220]) {
      const body = bodyOf([settings, file])
      const head = rawRequest('POST /score', {
        'Content-Type': 'multipart/form-data; boundary=b0undary',
        'Content-Length': String(body.length),
      })
      await exchange(app.url, [head, body.subarray(0, cut)], { end: true })
    }
    await spoolIsEmpty()
    expect(outcome(await app.get('/livez'))).toBe('200')
  })

  test('a body in chunks of one byte is scored like any other', async () => {
    const body = bodyOf([settings, file])
    const chunks = [...body].map((byte) => Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]))
    const head = rawRequest('POST /score', {
      'Content-Type': 'multipart/form-data; boundary=b0undary',
      'Transfer-Encoding': 'chunked',
    })
    const { replies } = await exchange(app.url, [head, ...chunks, '0\r\n\r\n'])
    expect(replies.map(outcome)).toEqual(['200'])
  })
})
