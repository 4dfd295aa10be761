/** Telemetry as people have it, by the real app: what is a little off is read alike from JSON, NDJSON and CSV, or refused alike. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, type Reply, serveApp, smallForest } from '../http/client.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_MAX_COLUMNS: '300' })
})

type Row = Readonly<Record<string, unknown>>
const doors = ['json', 'ndjson', 'csv'] as const
type Door = (typeof doors)[number]

const start = Date.UTC(2026, 1, 2)
const times = Array.from({ length: 60 }, (_, n) => start + 300_000 * n)
/** Rows with a metric that goes up and down. */
const rowsWith = (of: (n: number, ms: number) => Row): Row[] =>
  times.map((ms, n) => ({ ...of(n, ms), cpu: Math.sin(n) }))

function csvOf(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cell = (value: unknown) =>
    typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value ?? '')
  return [names.map(cell), ...rows.map((row) => names.map((name) => cell(row[name])))]
    .map((line) => `${line}\n`)
    .join('')
}

function ask(path: string, door: Door, rows: readonly Row[], settings: Row): Promise<Reply> {
  if (door === 'json') return app.post(path, { ...settings, rows })
  const query = Object.entries(settings).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return `${name}=${encodeURIComponent(text)}`
  })
  const body = door === 'csv' ? csvOf(rows) : rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const type = door === 'csv' ? 'text/csv' : 'application/x-ndjson'
  return app.send('POST', `${path}?${query.join('&')}`, { body, headers: { 'content-type': type } })
}

interface Document {
  readonly features: { name: string; kind: string }[]
  readonly roles: Row
  readonly reading?: Row
  readonly timeContext: { zoneTable?: string }
  readonly training: { from: string | null; to: string | null; rowsUsed: number; fingerprint: string }
  readonly payload: { sha256: string }
  readonly warnings: { code: string; message: string; columns?: string[] }[]
}

async function train(door: Door, rows: readonly Row[], settings: Row = {}): Promise<Document> {
  const reply = await ask('/train', door, rows, { model: `by-${door}`, detector: smallForest, ...settings })
  expect(reply.status, reply.text).toBe(201)
  return reply.json<Document>()
}

async function refusal(
  door: Door,
  rows: readonly Row[],
  settings: Row = {},
): Promise<{ code: string; detail: string }> {
  const reply = await ask('/train', door, rows, { model: 'refused', detector: smallForest, ...settings })
  expect(reply.status, reply.text).toBeGreaterThanOrEqual(400)
  return reply.json()
}

const featuresOf = ({ features }: Document) =>
  features.filter(({ kind }) => kind !== 'timeContext').map(({ name }) => name)
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')

describe.each(doors)('a time, by %s,', (door) => {
  const two = (number: number) => String(number).padStart(2, '0')
  const parts = (ms: number) => {
    const date = new Date(ms)
    const hour = date.getUTCHours()
    const clock = `${two(hour)}:${two(date.getUTCMinutes())}:00`
    const half = `${hour % 12 || 12}:${two(date.getUTCMinutes())} ${hour < 12 ? 'AM' : 'PM'}`
    return { day: two(date.getUTCDate()), month: two(date.getUTCMonth() + 1), clock, half }
  }
  test.each<[string, (ms: number) => unknown, Row]>([
    ['seconds', (ms) => ms / 1000, {}],
    ['fractions of seconds', (ms) => ms / 1000 + 0.25, {}],
    ['milliseconds', (ms) => ms, {}],
    ['microseconds', (ms) => ms * 1e3, {}],
    ['nanoseconds', (ms) => ms * 1e6, {}],
    ['seconds as text', (ms) => String(ms / 1000), {}],
    ['seconds named so', (ms) => ms / 1000, { timestampUnit: 's' }],
    ['ISO with a space', (ms) => `2026-02-02 ${parts(ms).clock}`, {}],
    ['ISO without seconds', (ms) => `2026-02-02T${parts(ms).clock.slice(0, 5)}`, {}],
    ['ISO with a comma', (ms) => `2026-02-02T${parts(ms).clock},250`, {}],
    ['ISO with a zone', (ms) => `2026-02-02T${parts(ms).clock}+0000`, {}],
    ['slashes', (ms) => `2026/02/02 ${parts(ms).clock}`, {}],
    ['RFC 2822', (ms) => `Mon, 02 Feb 2026 ${parts(ms).clock} +0000`, {}],
    ['month first by setting', (ms) => `02/02/2026 ${parts(ms).half}`, { timestampFormat: 'month-first' }],
    ['a pattern', (ms) => `02.02.26 ${parts(ms).clock}`, { timestampFormat: '%d.%m.%y %H:%M:%S' }],
  ])('%s', async (_, written, settings) => {
    const rows = rowsWith((__, ms) => ({ ts: written(ms) }))
    for (const naming of [{}, { timestamp: 'ts' }]) {
      const document = await train(door, rows, { ...settings, ...naming })
      expect(featuresOf(document)).toEqual(['cpu'])
      expect(document.roles).toMatchObject({ timestamp: 'ts' })
      expect(document.training.from?.slice(0, 19)).toBe(iso(start).slice(0, 19))
      expect(document.training.to?.slice(0, 19)).toBe(iso(times.at(-1)!).slice(0, 19))
      const scored = await ask('/score', door, rows, { model: `by-${door}`, return: 'all', include: ['ts'] })
      expect(scored.status, scored.text).toBe(200)
      const { results } = scored.json<{ results: { score: number; values: { ts: string } }[] }>()
      expect(results.map(({ values }) => values.ts.slice(0, 19))).toEqual(times.map((ms) => iso(ms).slice(0, 19)))
    }
  })

  test('of a day that only one order gives is read in that order, and scoring remembers it', async () => {
    const rows = rowsWith((n) => ({ ts: `01/${two(1 + Math.floor(n / 2))}/2026 ${two(n % 24)}:00` }))
    const document = await train(door, rows)
    expect(document.reading).toEqual({ timestampFormat: 'month-first' })
    expect(document.training.to).toBe('2026-01-30T11:00:00Z')
    const [row] = rowsWith(() => ({ ts: '02/03/2026 01:00' }))
    const scored = await ask('/score', door, [row!], { model: `by-${door}`, return: 'all', include: ['ts'] })
    expect(scored.json<{ results: { values: Row }[] }>().results[0]?.values).toEqual({ ts: '2026-02-03T01:00:00Z' })
  })

  test('that may be two days is refused with both', async () => {
    const problem = await refusal(
      door,
      rowsWith((n) => ({ date: `02/0${1 + (n % 9)}/2026` })),
    )
    expect(problem).toMatchObject({ code: 'ambiguous_timestamp' })
    expect(problem.detail).toMatch(/may be 2026-\d\d-\d\dT00:00:00Z or 2026-\d\d-\d\dT00:00:00Z; set timestampFormat/)
  })

  test('of days without a zero in front is decided by a row behind the sample', async () => {
    const rows = Array.from({ length: 20_600 }, (_, n) => ({
      ts: `1/${n < 20_500 ? 2 : 20}/2026 ${n % 24}:00`,
      cpu: n % 7,
    }))
    expect((await train(door, rows)).reading).toEqual({ timestampFormat: 'month-first' })
    expect(await refusal(door, rows.slice(0, 20_500))).toMatchObject({ code: 'ambiguous_timestamp' })
  })

  test('that a model does not need is not looked for when it scores', async () => {
    await train(
      door,
      rowsWith(() => ({})),
    )
    const rows = rowsWith((n) => ({ ts: `02/0${1 + (n % 9)}/2026` }))
    const scored = await ask('/score', door, rows, { model: `by-${door}`, return: 'none' })
    expect(scored.status, scored.text).toBe(200)
  })

  test('in two units, of no unit, and no time at all are refused', async () => {
    const mixed = rowsWith((n, ms) => ({ ts: n === 40 ? ms : ms / 1000 }))
    expect(await refusal(door, mixed)).toMatchObject({ code: 'ambiguous_timestamp' })
    const relative = rowsWith((n) => ({ at: n }))
    expect(await refusal(door, relative, { timestamp: 'at' })).toMatchObject({
      code: 'ambiguous_timestamp',
      detail: expect.stringContaining('timestampUnit'),
    })
    const words = rowsWith((n) => ({ at: n === 3 ? 'yesterday' : iso(start) }))
    expect(await refusal(door, words, { timestamp: 'at' })).toMatchObject({
      code: 'type_mismatch',
      detail: expect.stringContaining('yesterday'),
    })
    const far = rowsWith((n) => ({ ts: 9.4e12 + n }))
    expect(await refusal(door, far, { timestampUnit: 's' })).toMatchObject({ code: 'timestamp_out_of_range' })
  })

  test('is a feature when it is named as one', async () => {
    const document = await train(
      door,
      rowsWith((_, ms) => ({ ts: ms / 1000 })),
      { features: ['ts', 'cpu'] },
    )
    expect(featuresOf(document)).toEqual(['ts', 'cpu'])
    expect(document.roles).toMatchObject({ timestamp: null })
  })
})

describe.each(doors)('values, by %s,', (door) => {
  test('of the usual words are missing, other words are refused with the value', async () => {
    const words = ['', '-', ' N/A ', 'na', 'NULL', 'None', 'nan', 'Inf', '-inf']
    const rows = rowsWith((n) => ({ mem: n < words.length ? words[n] : n % 7 }))
    const document = await train(door, rows, { missing: 'skip' })
    expect(featuresOf(document)).toEqual(['cpu', 'mem'])
    expect(document.training.rowsUsed).toBe(rows.length - words.length)
    const offline = rowsWith((n) => ({ mem: n === 50 ? 'offline' : n === 51 ? -999 : n % 7 }))
    expect(await refusal(door, offline)).toMatchObject({ code: 'type_mismatch' })
    const known = await train(door, offline, { nullValues: ['offline', '-999'] })
    expect(known.training.rowsUsed).toBe(rows.length - 2)
    const scored = await ask('/score', door, offline.slice(50), { model: `by-${door}`, return: 'all' })
    const { results } = scored.json<{ results: { reason?: string }[] }>()
    expect(results.map(({ reason }) => reason ?? null).slice(0, 3)).toEqual(['missing_value', 'missing_value', null])
  })

  test('that only grow, ids and a likely entity are named', async () => {
    const rows = rowsWith((n) => ({ host: `web-${n % 2}`, total: 100 * Math.floor(n / 2), pid: (n * 7919) % 1000 }))
    const { warnings } = await train(door, rows)
    const named = (code: string) => warnings.find((warning) => warning.code === code)
    expect(named('growing_columns')).toMatchObject({ columns: ['total'], message: expect.stringContaining('rate') })
    expect(named('possible_id')).toMatchObject({ columns: ['pid'] })
    expect(named('possible_entity')).toMatchObject({ columns: ['host'], message: expect.stringContaining('--entity') })
    expect(named('ignored_columns')).toMatchObject({ columns: ['host'], message: expect.stringContaining('"host"') })
  })

  test('that no double holds are warned about, smaller ones are not', async () => {
    const rows = times.map(
      (_, n) => `{"small": ${9007199254740900 + (n % 7)}, "cpu": ${Math.sin(n)}, "big": 115292150460684697${n % 10}}`,
    )
    const names = ['small', 'cpu', 'big']
    const lines = rows.map((row) => `${[...row.matchAll(/: ([^,}]+)/g)].map(([, value]) => value).join(',')}\n`)
    const bodies = {
      json: `{"model": "digits", "rows": [${rows.join(',')}]}`,
      ndjson: `${rows.join('\n')}\n`,
      csv: `${names.join(',')}\n${lines.join('')}`,
    }
    const types = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' }
    const query = door === 'json' ? '' : '?model=digits'
    const headers = { 'content-type': types[door] }
    const { warnings } = (await app.send('POST', `/train${query}`, { body: bodies[door], headers })).json<Document>()
    expect(warnings.find(({ code }) => code === 'precision_loss')?.columns).toEqual(['big'])
  })

  test('in another order of columns make the same model', async () => {
    const one = await train(
      door,
      rowsWith((n) => ({ b: n % 5, a: n % 3 })),
    )
    const other = await train(
      door,
      times.map((_, n) => ({ cpu: Math.sin(n), a: n % 3, b: n % 5 })),
    )
    expect(other.payload.sha256).toBe(one.payload.sha256)
    expect(other.training.fingerprint).toBe(one.training.fingerprint)
  })
})

describe.each(doors)('a row per metric, by %s,', (door) => {
  const long = times.flatMap((ms, n) =>
    ['web-1', 'web-2'].flatMap((host, h) => [
      { time: iso(ms), host, metric: 'cpu', value: Math.sin(n + h) },
      { time: iso(ms), host, metric: 'mem', value: n % 5 },
    ]),
  )
  const pivot = { metric: 'metric', value: 'value' }

  test('is refused with the setting, and read with it', async () => {
    expect(await refusal(door, long)).toMatchObject({
      code: 'long_format',
      pivot,
      detail: expect.stringContaining('pivot'),
    })
    const document = await train(door, long, { pivot, entity: 'host' })
    expect(featuresOf(document)).toEqual(['cpu', 'mem'])
    expect(document).toMatchObject({ reading: { pivot }, roles: { timestamp: 'time', entity: 'host' } })
    expect(document.training.rowsUsed).toBe(2 * times.length)
    const scored = await ask('/score', door, long, { model: `by-${door}`, return: 'all', include: ['host', 'mem'] })
    const { results } = scored.json<{ results: { values: Row }[] }>()
    expect(results.slice(0, 3).map(({ values }) => values)).toEqual([
      { host: 'web-1', mem: 0 },
      { host: 'web-2', mem: 0 },
      { host: 'web-1', mem: 1 },
    ])
  })

  test('is refused with twins, and with more metrics than there may be columns', async () => {
    expect(await refusal(door, [...long, long[0]!], { pivot })).toMatchObject({ code: 'duplicate_value' })
    const many = Array.from({ length: 400 }, (_, n) => ({ time: iso(start), metric: `m${n}`, value: n }))
    expect(await refusal(door, many, { pivot })).toMatchObject({ code: 'too_many_columns' })
  })
})

describe('of one format', () => {
  test('a setting of reading that would do nothing is refused', async () => {
    const rows = rowsWith((n) => ({ mem: n % 5 }))
    for (const [door, settings] of [
      ['json', { header: true }],
      ['csv', { flatten: true }],
      ['csv', { timestampUnit: 's' }],
      ['ndjson', { timestampFormat: 'day-first' }],
    ] as const)
      expect(await refusal(door, rows, settings)).toMatchObject({ code: 'unused_setting' })
  })

  test.each(['json', 'ndjson'] as const)('nested objects are columns when asked for (%s)', async (door) => {
    const rows = times.map((_, n) => ({ fields: { cpu: { user: Math.sin(n) }, mem: n % 5 }, tags: { host: 'a' } }))
    expect(await refusal(door, rows)).toMatchObject({ code: 'no_features' })
    const document = await train(door, rows, { flatten: true, entity: 'tags.host' })
    expect(featuresOf(document)).toEqual(['fields.cpu.user', 'fields.mem'])
    const twice = [{ a: { b: 1 }, 'a.b': 2 }, { cpu: 1 }]
    expect(await refusal(door, twice, { flatten: true })).toMatchObject({ code: 'duplicate_column' })
  })

  const upload = (body: string, query: string) =>
    app.send('POST', `/train?model=upload&detector=${encodeURIComponent(JSON.stringify(smallForest))}&${query}`, {
      body,
      headers: { 'content-type': 'application/octet-stream' },
    })

  test('what Prometheus answers to query_range is a source', async () => {
    const series = (name: string, instance: string, of: (n: number) => string) => ({
      metric: { __name__: name, instance },
      values: times.map((ms, n) => [ms / 1000, of(n)]),
    })
    const answer = {
      status: 'success',
      data: {
        resultType: 'matrix',
        result: [
          series('load', 'a:9100', (n) => String(Math.sin(n))),
          series('load', 'b:9100', (n) => String(Math.cos(n))),
          series('mem', 'a:9100', (n) => (n === 5 ? 'NaN' : String(n % 5))),
          series('mem', 'b:9100', (n) => (n === 6 ? '+Inf' : String(n % 5))),
        ],
      },
    }
    const reply = await upload(JSON.stringify(answer), 'entity=instance')
    expect(reply.status, reply.text).toBe(201)
    const document = reply.json<Document & { training: { source: { format: string } } }>()
    expect(featuresOf(document)).toEqual(['load', 'mem'])
    expect(document.training).toMatchObject({
      rows: 120,
      rowsUsed: 118,
      source: { format: 'prometheus' },
      from: iso(start),
    })
    const failed = { status: 'error', errorType: 'bad_data', error: 'parse error' }
    expect((await upload(JSON.stringify(failed), '')).json()).toMatchObject({
      code: 'source_unreadable',
      detail: expect.stringContaining('parse error'),
    })
    const scalar = { status: 'success', data: { resultType: 'scalar', result: [1, '2'] } }
    expect((await upload(JSON.stringify(scalar), '')).json()).toMatchObject({ code: 'source_unreadable' })
  })

  test('a bare NaN, as Python writes it, is missing', async () => {
    const lines = times.map(
      (_, n) => `{"cpu": ${n === 3 ? 'NaN' : n === 4 ? '-Infinity' : Math.sin(n)}, "note": "NaN \\" NaN"}\n`,
    )
    const reply = await upload(lines.join(''), '')
    expect(reply.json<Document>().training.rowsUsed).toBe(58)
    const json = await app.send('POST', '/train', {
      body: `{"model": "bare", "rows": [${lines.join(',')}]}`,
      headers: { 'content-type': 'application/json' },
    })
    expect(json.json()).toMatchObject({ code: 'malformed_json', detail: expect.stringContaining('null') })
  })

  test('CSV without names is refused unless header says so; numbers may be names; a nameless column is no feature', async () => {
    const data = times.map((ms, n) => `m_1,${n % 7},${Math.sin(n)},${iso(ms)}\n`).join('')
    expect((await upload(data, '')).json()).toMatchObject({
      code: 'invalid_column_name',
      detail: expect.stringContaining('header'),
    })
    const nameless = (await upload(data, 'header=false&entity=column1')).json<Document>()
    expect(featuresOf(nameless)).toEqual(['column2', 'column3'])
    expect(nameless).toMatchObject({ roles: { timestamp: 'column4' }, reading: { header: false } })
    const quantiles = (
      await upload(`time,0.5,0.99\n${data.replaceAll(/^m_1,(\d),([^,]+),(.*)$/gm, '$3,$1,$2')}`, '')
    ).json<Document>()
    expect(featuresOf(quantiles)).toEqual(['0.5', '0.99'])
    const indexed = (
      await upload(`,cpu\n${times.map((_, n) => `${n},${Math.sin(n)}\n`).join('')}`, '')
    ).json<Document>()
    expect(featuresOf(indexed)).toEqual(['cpu'])
    expect(indexed.warnings.find(({ code }) => code === 'index_column')).toMatchObject({ columns: ['column1'] })
  })

  test('an entity of CSV keeps its zeros, its digits and its point', async () => {
    const ids = ['0012', '12', '12.0', '1234567890123456789', '1234567890123456788']
    const lines = times.flatMap((ms, n) => ids.map((id, k) => `${iso(ms)},${id},${Math.sin(n + k)}\n`))
    const reply = await upload(`time,host,cpu\n${lines.join('')}`, 'entity=host')
    expect(reply.status, reply.text).toBe(201)
    const scored = await app.send('POST', '/score?model=upload&return=all&include=["host"]', {
      body: `time,host,cpu\n${lines.slice(0, 5).join('')}`,
      headers: { 'content-type': 'text/csv' },
    })
    const { results } = scored.json<{ results: { values: { host: string } }[] }>()
    expect(results.map(({ values }) => values.host)).toEqual(ids)
  })
})

test('a version says by which zone table it was trained, and so does build_info', async () => {
  const document = await train(
    'json',
    rowsWith((_, ms) => ({ ts: iso(ms) })),
  )
  expect(document.timeContext.zoneTable).toBe(process.versions.tz)
  const metrics = await app.send('GET', '/metrics', {})
  expect(metrics.text).toContain(`zones="${process.versions.tz}"`)
})

test('a scored file tells which entities of the training it lacks, and which metric has no value', async () => {
  const rows = times.flatMap((ms, n) =>
    ['a', 'b', 'c'].map((host, k) => ({ ts: iso(ms), host, cpu: Math.sin(n + k), mem: n % 5 })),
  )
  await train('csv', rows, { entity: 'host' })
  const later = rows.filter(({ host }) => host !== 'b').map((row) => ({ ...row, mem: null }))
  const told = (door: Door) => ask('/score', door, later, { model: 'by-csv' })
  expect((await told('csv')).json()).toMatchObject({
    warnings: [
      { code: 'absent_entities', entities: ['b'], message: '1 of the 3 entities of the training has no row: "b".' },
      { code: 'empty_columns', columns: ['mem'], message: '"mem" has no value in any row.' },
    ],
  })
  expect((await told('json')).json()).toMatchObject({ warnings: [{ code: 'empty_columns' }] })
})
