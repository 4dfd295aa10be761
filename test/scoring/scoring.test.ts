/** The same telemetry through every door and in every format: the same model, the same scores. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import {
  Field,
  Float64,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  type Table,
  TimestampMicrosecond,
  tableFromIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { FormData, request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import type { VersionDocument } from '../../src/schemas/model.ts'
import { exampleRows, startApp, type TestApp } from '../app.ts'
import { freshFolder } from '../endings.ts'

type Row = Record<string, unknown>
interface Answer {
  status: number
  headers: Record<string, unknown>
  bytes: Buffer
  json: Record<string, unknown>
}

const types: Record<string, string> = {
  parquet: 'application/vnd.apache.parquet',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  arrow: 'application/vnd.apache.arrow.stream',
}
const formats = Object.keys(types)
const rows = exampleRows(3000).map((row, n) => ({ ...row, host: `web-${n % 3}`, label: n === 2999 }))
const files = new Map<string, Buffer>()
let service: TestApp
let root: string

beforeAll(async () => {
  root = await freshFolder()
  service = await startApp({ DEEPWATCH_DATA_ROOTS: root })
  const ndjson = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`
  files.set('ndjson', Buffer.from(ndjson))
  files.set(
    'csv',
    Buffer.from(`ts,cpu,latency,host,label\n${rows.map((row) => Object.values(row).join(',')).join('\n')}\n`),
  )
  files.set('arrow', Buffer.from(arrowOf()))
  await writeFile(join(root, 'web.ndjson'), ndjson)
  const connection = await (await DuckDBInstance.create()).connect()
  await connection.run(
    `copy (select ts::timestamp as ts, cpu, latency, host, label from read_ndjson('${join(root, 'web.ndjson')}', columns = {ts: 'TIMESTAMPTZ', cpu: 'DOUBLE', latency: 'DOUBLE', host: 'VARCHAR', label: 'BOOLEAN'})) to '${join(root, 'web.parquet')}' (format parquet, row_group_size 1000)`,
  )
  connection.closeSync()
  for (const format of ['csv', 'arrow']) await writeFile(join(root, `web.${format}`), files.get(format)!)
  files.set('parquet', await readFile(join(root, 'web.parquet')))
})

/** The rows as an Arrow IPC stream of three batches. */
function arrowOf(): Uint8Array {
  const schema = new Schema([
    new Field('ts', new TimestampMicrosecond()),
    new Field('cpu', new Float64()),
    new Field('latency', new Float64()),
    new Field('host', new Utf8()),
  ])
  const writer = new RecordBatchStreamWriter()
  for (let from = 0; from < rows.length; from += 1000) {
    const part = rows.slice(from, from + 1000)
    const columns = [
      vectorFromArray(
        part.map((row) => Date.parse(row.ts)),
        new TimestampMicrosecond(),
      ),
      vectorFromArray(
        part.map((row) => row.cpu),
        new Float64(),
      ),
      vectorFromArray(
        part.map((row) => row.latency),
        new Float64(),
      ),
      vectorFromArray(
        part.map((row) => row.host),
        new Utf8(),
      ),
    ]
    const data = makeData({
      type: new Struct(schema.fields),
      length: part.length,
      children: columns.map((column) => column.data[0]!),
    })
    writer.write(new RecordBatch(schema, data as never))
  }
  writer.finish()
  return writer.toUint8Array(true)
}

async function send(
  path: string,
  options: { body?: Row | Buffer; type?: string; accept?: string; form?: FormData; headers?: Record<string, string> },
): Promise<Answer> {
  const { body, form } = options
  const isBytes = Buffer.isBuffer(body)
  const answer = await request(service.url + path, {
    method: 'POST',
    headers: {
      ...(form ? {} : { 'content-type': options.type ?? 'application/json' }),
      ...(options.accept ? { accept: options.accept } : {}),
      ...options.headers,
    },
    body: form ?? (isBytes ? body : JSON.stringify(body ?? {})),
  })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  const isJson =
    /json/.test(String(answer.headers['content-type'])) && !/ndjson/.test(String(answer.headers['content-type']))
  return {
    status: answer.statusCode,
    headers: answer.headers,
    bytes,
    json: isJson ? (JSON.parse(bytes.toString()) as Row) : {},
  }
}

const detector = { type: 'isolation-forest', seed: 7 }

async function train(settings: Row, body?: { bytes: Buffer; type: string }): Promise<VersionDocument> {
  const query = new URLSearchParams(
    Object.entries(settings).map(([key, value]): [string, string] => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
  const answer = body
    ? await send(`/train?${query}`, { body: body.bytes, type: body.type })
    : await send('/train', { body: settings })
  expect(answer.json['detail']).toBeUndefined()
  expect(answer.status).toBe(201)
  return answer.json as unknown as VersionDocument
}

describe('training', () => {
  test('gives the same bytes, threshold and fingerprint for the same telemetry through every door', async () => {
    const features = ['cpu', 'latency']
    const inJson = await train({ model: 'doors', rows, detector, features })
    expect(inJson.timeContext.features).toEqual(['hour', 'dayOfWeek'])
    for (const format of formats) {
      const byPath = await train({ model: 'doors', source: { path: `web.${format}` }, detector, features })
      const uploaded = await train(
        { model: 'doors', detector, features },
        { bytes: files.get(format)!, type: types[format]! },
      )
      for (const document of [byPath, uploaded]) {
        expect({ format, payload: document.payload, threshold: document.threshold }).toEqual({
          format,
          payload: inJson.payload,
          threshold: inJson.threshold,
        })
        expect(document.training.fingerprint).toBe(inJson.training.fingerprint)
        expect(document.scores).toEqual(inJson.scores)
      }
      expect(uploaded.training.source.sha256).toMatch(/^[0-9a-f]{64}$/)
      expect(byPath.training.source).toMatchObject({ kind: 'path', files: [`web.${format}`] })
    }
  })

  test('a list of files is read in the given order, and a window narrows all of them', async () => {
    const document = await train({
      model: 'list',
      source: { path: ['web.parquet', join(root, 'web.parquet')] },
      detector,
      window: { from: rows[100]!.ts, to: rows[200]!.ts },
    })
    expect(document.training).toMatchObject({ rows: 6000, rowsInWindow: 200 })
  })
})

describe('scoring', () => {
  let expected: { row: number; score: number; isAnomaly: boolean }[]

  beforeAll(async () => {
    await train({ model: 'web', rows, detector, label: 'label' })
    const { json } = await send('/score', { body: { model: 'web', rows } })
    expected = json['results'] as typeof expected
    expect(expected.length).toBe(3000)
    expect(expected.filter((result) => result.isAnomaly).map((result) => result.row)).toContain(2999)
  })

  test.each(formats)('%s, named or sent, scores like the rows', async (format) => {
    const byPath = await send('/score', { body: { model: 'web', source: { path: `web.${format}` }, return: 'all' } })
    expect(byPath.json['results']).toEqual(expected)
    const uploaded = await send('/score?model=web&return=all', { body: files.get(format)!, type: types[format]! })
    expect(uploaded.json['results']).toEqual(expected)
    const guessed = await send('/score?model=web', { body: files.get(format)!, type: 'application/octet-stream' })
    expect(guessed.json['results']).toEqual(expected.filter((result) => result.isAnomaly))
    const form = new FormData()
    form.set('config', JSON.stringify({ model: 'web', return: 'none' }))
    form.set('file', new Blob([new Uint8Array(files.get(format)!)]), 'x')
    expect((await send('/score', { form })).json).toMatchObject({
      results: [],
      rows: 3000,
      anomalies: byPath.json['anomalies'],
    })
  })

  test('NDJSON has a line per row and a summary at its end', async () => {
    const { bytes, headers } = await send('/score', {
      body: { model: 'web', source: { path: 'web.parquet' }, include: ['host', 'ts'] },
      accept: types['ndjson']!,
    })
    const lines = bytes
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row)
    expect(lines.length).toBe(3001)
    expect(lines[1]).toEqual({ ...expected[1], values: { host: 'web-1', ts: '2026-01-01T00:30:00Z' } })
    expect(lines.at(-1)).toMatchObject({ summary: { model: 'web', rows: 3000, unscored: 0 } })
    expect(headers).toMatchObject({ 'deepwatch-model': 'web@1' })
  })

  test.each(['rows', ...formats])('%s become Parquet with the columns of the source and two more', async (format) => {
    const source = format === 'rows' ? { rows } : { source: { path: `web.${format}` } }
    const answer = await send('/score', { body: { model: 'web', ...source }, accept: types['parquet']! })
    expect(answer.status).toBe(200)
    const path = join(root, `out-${format}.parquet`)
    await writeFile(path, answer.bytes)
    const connection = await (await DuckDBInstance.create()).connect()
    const read = await connection.runAndReadAll(`select anomaly_score, is_anomaly from '${path}'`)
    expect(read.getRowsJS()).toEqual(expected.map(({ score, isAnomaly }) => [score, isAnomaly]))
    const columns = (await connection.runAndReadAll(`describe from '${path}'`)).getRowsJS().map((column) => column[0])
    expect(columns).toEqual([
      'ts',
      'cpu',
      'latency',
      'host',
      ...(format === 'arrow' ? [] : ['label']),
      'anomaly_score',
      'is_anomaly',
    ])
    connection.closeSync()
    // Scored again, our own columns are neither features nor doubled.
    const again = await send('/score?model=web', {
      body: answer.bytes,
      type: types['parquet']!,
      accept: types['parquet']!,
    })
    expect(again.status).toBe(200)
  })

  test('a table of anomalies, as Arrow', async () => {
    const { bytes } = await send('/score', {
      body: { model: 'web', source: { path: 'web.parquet' }, return: 'anomalies' },
      accept: types['arrow']!,
    })
    const table: Table = tableFromIPC(bytes)
    const flagged = expected.filter((result) => result.isAnomaly)
    expect(table.schema.fields.map((field) => field.name)).toEqual([
      'ts',
      'cpu',
      'latency',
      'host',
      'label',
      'anomaly_score',
      'is_anomaly',
    ])
    expect([...table.getChild('anomaly_score')!]).toEqual(flagged.map((result) => result.score))
    expect([...table.getChild('label')!].at(-1)).toBe(true)
  })

  test('a window keeps the positions of the source, in text and in tables', async () => {
    const window = { from: rows[1000]!.ts, to: rows[1100]!.ts, exclude: [{ from: rows[1010]!.ts, to: rows[1020]!.ts }] }
    const inside = expected.filter(({ row }) => row >= 1000 && row < 1100 && !(row >= 1010 && row < 1020))
    for (const source of [{ rows }, ...formats.map((format) => ({ source: { path: `web.${format}` } }))]) {
      const { json } = await send('/score', { body: { model: 'web', ...source, window, return: 'all' } })
      expect(json).toMatchObject({ results: inside, rows: 90 })
    }
    const table = await send('/score', {
      body: { model: 'web', source: { path: 'web.parquet' }, window },
      accept: types['arrow']!,
    })
    expect([...tableFromIPC(table.bytes).getChild('anomaly_score')!]).toEqual(inside.map((result) => result.score))
  })

  test('nothing is left in the spool', async () => {
    // Files go when the answer has left, which may be a moment after the client has it.
    await expect.poll(() => readdir(join(service.home, 'spool')), { timeout: 5000 }).toEqual([])
  })
})
