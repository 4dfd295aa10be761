/**
 * Small requests: `POST /score` with rows as JSON over 32 connections, beside a bare Fastify route that parses
 * the same body and answers the same bytes, and beside FastAPI over scikit-learn with two workers. The
 * three in turns; client and servers share the machine.
 *
 *   node dist/bench/online/compare.js [rows per request,…] [seconds a round]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { request } from 'undici'
import { createRandom } from '../../src/kernels/random.ts'
import { writeMatrix } from '../matrix.ts'
import { preparePython } from '../python.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'
import { startService } from '../service/service.ts'

const sizes = (process.argv[2] ?? '100,1').split(',').map(Number)
const seconds = Number(process.argv[3] ?? 5)
const rounds = 3
const connections = 32
const features = 8
const trainingRows = 20_000

const random = createRandom(7, 0)
const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
const columns = Array.from({ length: features }, () => Float64Array.from({ length: trainingRows }, normal))
/** Numbers as telemetry has them: a few digits after the point. */
const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, row) =>
    Object.fromEntries(columns.map((column, n) => [`m${n}`, Math.round(column[row]! * 1e4) / 1e4])),
  )
const bodyOf = (count: number) => JSON.stringify({ model: 'web', rows: rowsOf(count) })

interface Side {
  readonly name: string
  readonly url: string
  stop(): Promise<unknown>
}

async function firstLine(child: ChildProcess): Promise<string> {
  const { value, done } = await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next()
  if (done) throw new Error('a server ended before it listened')
  return String(value)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function post(url: string, body: string): Promise<string> {
  const answer = await request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(text.slice(0, 300))
  return text
}

async function startOurs(): Promise<Side> {
  const service = await startService()
  await post(
    `${service.url}/train`,
    JSON.stringify({ model: 'web', rows: rowsOf(trainingRows), detector: { type: 'isolation-forest', seed: 1 } }),
  )
  return { name: 'deepwatch', url: service.url, stop: () => service.stop() }
}

async function startBare(answer: string): Promise<Side> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./bare.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin!.end(answer)
  return { name: 'bare fastify', url: await firstLine(child), stop: () => end(child) }
}

async function startFastApi(matrix: string): Promise<Side> {
  const python = preparePython()
  const port = 20_000 + (process.pid % 20_000)
  const folder = fileURLToPath(new URL('../../../bench/rivals/', import.meta.url))
  const child = spawn(
    python,
    [
      '-m',
      'uvicorn',
      'serve:app',
      '--workers',
      '2',
      '--port',
      String(port),
      '--no-access-log',
      '--log-level',
      'warning',
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEEPWATCH_BENCH_MATRIX: matrix, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
    },
  )
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; ; attempt++) {
    try {
      await post(`${url}/score`, bodyOf(1))
      break
    } catch (error) {
      // It listens when scikit-learn is loaded; there is no event to wait for.
      if (attempt === 600 || child.exitCode !== null) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  return { name: 'fastapi + scikit-learn', url, stop: () => end(child) }
}

interface Load {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

async function load(side: Side, body: string, duration: number): Promise<Load> {
  const result = await autocannon({
    url: `${side.url}/score`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    connections,
    duration,
  })
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${side.name}: ${result.non2xx} refused, ${result.errors} failed`)
  return { perSecond: result.requests.average, p50: result.latency.p50, p99: result.latency.p99 }
}

const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-online-'))
const matrix = join(scratch, 'matrix')
writeMatrix(matrix, { rows: trainingRows, columns })
const measured = []
const started: Side[] = []
try {
  const ours = await startOurs()
  const fastApi = await startFastApi(matrix)
  started.push(ours, fastApi)
  for (const rows of sizes) {
    const body = bodyOf(rows)
    const bare = await startBare(await post(`${ours.url}/score`, body))
    started.push(bare)
    const sides = [ours, bare, fastApi]
    const loads = new Map<Side, Load[]>(sides.map((side) => [side, []]))
    for (const side of sides) await load(side, body, 2)
    for (let round = 0; round < rounds; round++)
      for (const side of sides) loads.get(side)!.push(await load(side, body, seconds))
    await bare.stop()
    const middle = (side: Side, key: keyof Load) => median(loads.get(side)!.map((one) => one[key]))
    console.log(`\n${rows} rows a request, ${connections} connections`)
    printTable([
      ['side', 'requests/s', 'rows/s', 'p50 ms', 'p99 ms'],
      ...sides.map((side) => [
        side.name,
        middle(side, 'perSecond').toFixed(0),
        (rows * middle(side, 'perSecond')).toFixed(0),
        middle(side, 'p50').toFixed(1),
        middle(side, 'p99').toFixed(1),
      ]),
    ])
    const ratio = (a: Side, b: Side, key: keyof Load) => middle(a, key) / middle(b, key)
    const entry = {
      rows,
      shareOfBare: ratio(ours, bare, 'perSecond'),
      p99ToBare: ratio(ours, bare, 'p99'),
      timesFastApi: ratio(ours, fastApi, 'perSecond'),
      p99ToFastApi: ratio(ours, fastApi, 'p99'),
      loads: Object.fromEntries(sides.map((side) => [side.name, loads.get(side)])),
    }
    console.log(
      `${(100 * entry.shareOfBare).toFixed(0)} % of the bare route, p99 ${entry.p99ToBare.toFixed(2)} of its; ${entry.timesFastApi.toFixed(1)} times FastAPI at ${entry.p99ToFastApi.toFixed(3)} of its p99`,
    )
    measured.push(entry)
  }
} finally {
  for (const side of started) await side.stop()
  rmSync(scratch, { recursive: true, force: true })
}
writeResult('online', { measured, connections, seconds, machine: describeMachine() })
