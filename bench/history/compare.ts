/**
 * Derived features: what they cost for a file, beside as many plain ones, and whether rows of a real host sent one by one as
 * JSON get the scores of its file, to the bit.
 *
 *   node dist/bench/history/compare.js FOLDER-OF-HOSTS FILE [rows]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { request } from 'undici'
import { metricNames } from '../../src/generate/metrics.ts'
import { generate } from '../generate.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'
import { startService } from '../service/service.ts'

const [folder, host, count = '1000000'] = process.argv.slice(2) as [string, string, string?]
const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-windows-'))
const fleet = join(scratch, 'fleet.parquet')
const service = await startService({
  DEEPWATCH_DATA_ROOTS: [resolve(folder), scratch].join(delimiter),
})

type Answer = Record<string, unknown>

async function post(path: string, body: object): Promise<Answer> {
  const answer = await request(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const value = (await answer.body.json()) as Answer
  if (answer.statusCode >= 300) throw new Error(JSON.stringify(value).slice(0, 500))
  return value
}

const derived = [
  ...['rollingMean', 'rollingStd', 'rollingMax', 'zScore'].map((derive) => ({ derive, window: 12 })),
  { derive: 'lag', window: '1h' },
  { derive: 'diff', window: 1 },
  { derive: 'rollingMean', window: '6h' },
  { derive: 'rollingMin', window: '1h' },
].map((feature, index) => ({ column: metricNames[index % metricNames.length]!, ...feature }))

/** Rows sent one by one. */
const singles = 5_000

interface Scored {
  readonly row: number
  readonly score: number | null
  readonly reason?: string
  readonly values: Record<string, unknown>
}

/** Trains on a host's file and scores it twice: as a file, and row by row. */
async function compareDoors() {
  const metrics = ['m00', 'm01', 'm02', 'm03', 'm04', 'm05']
  const features = [
    ...metrics,
    ...metrics.map((column) => ({ column, derive: 'zScore', window: 12 })),
    ...metrics.map((column) => ({ column, derive: 'rollingStd', window: '1h' })),
    { column: 'm00', derive: 'sameTimeYesterday' },
  ]
  const source = { path: host }
  await post('/train', {
    model: 'host',
    source,
    entity: 'host',
    features,
    detector: { type: 'isolation-forest', seed: 1 },
  })
  const include = ['timestamp', 'host', ...metrics]
  const file = (await post('/score', { model: 'host', source, return: 'all', include }))['results'] as Scored[]
  let unequal = 0
  const started = performance.now()
  for (const { values, score, reason } of file.slice(0, singles)) {
    const [single] = (await post('/score', { model: 'host', rows: [values] }))['results'] as [Scored]
    if (single.score !== score || single.reason !== reason) unequal++
  }
  const seconds = (performance.now() - started) / 1000
  const sent = Math.min(singles, file.length)
  const unscored = file.slice(0, sent).filter(({ score }) => score === null).length
  return { rows: sent, unequal, unscored, requestsPerSecond: Math.round(sent / seconds) }
}

/** Seconds to score the fleet by path. */
async function timeScoring(model: string): Promise<number> {
  const started = performance.now()
  await post('/score', { model, source: { path: 'fleet.parquet' }, return: 'none' })
  return (performance.now() - started) / 1000
}

try {
  const doors = await compareDoors()
  generate(fleet, { rows: Number(count), hosts: 50 })
  const settings = {
    source: { path: 'fleet.parquet' },
    detector: { type: 'isolation-forest', seed: 1 },
    timeFeatures: [],
  }
  await post('/train', { ...settings, model: 'plain', features: metricNames, missing: 'skip' })
  await post('/train', { ...settings, model: 'derived', entity: 'host', features: derived, missing: 'skip' })
  const [plain, windowed]: [number[], number[]] = [[], []]
  for (let round = 0; round < 4; round++) {
    const [a, b] = [await timeScoring('plain'), await timeScoring('derived')]
    if (round > 0) plain.push(a)
    if (round > 0) windowed.push(b)
  }
  const perSecond = (seconds: number[]) => Math.round(Number(count) / median(seconds))
  printTable([
    ['8 features', 'median s', 'rows/s'],
    ['plain', median(plain).toFixed(2), perSecond(plain)],
    ['derived', median(windowed).toFixed(2), perSecond(windowed)],
  ])
  console.log(
    `${doors.rows} rows of ${host} one by one: ${doors.unequal} unequal, ${doors.unscored} without a score, ${doors.requestsPerSecond} requests/s`,
  )
  writeResult('windows', {
    rows: Number(count),
    plain,
    windowed,
    ratio: median(windowed) / median(plain),
    doors,
    machine: describeMachine(),
  })
} finally {
  await service.stop()
  rmSync(scratch, { recursive: true, force: true })
}
