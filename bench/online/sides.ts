/** The servers of the online benches, and the load on them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { request } from 'undici'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { preparePython } from '../python.ts'
import { startService } from '../service/service.ts'

export const connections = 32
export const trainingRows = 20_000

const features = 8
const random = createRandom(7, 0)
const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())

/** The telemetry of the online benches: `trainingRows` rows of 8 features. */
export const columns = Array.from({ length: features }, () => Float64Array.from({ length: trainingRows }, normal))

/** Numbers as telemetry has them: a few digits after the point. */
const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, row) =>
    Object.fromEntries(columns.map((column, n) => [`m${n}`, Math.round(column[row]! * 1e4) / 1e4])),
  )

/** The body of a request with this many rows. */
export const bodyOf = (count: number) => JSON.stringify({ model: 'web', rows: rowsOf(count) })

/** The body that trains the model of these requests. */
export const trainingBody = JSON.stringify({
  model: 'web',
  rows: rowsOf(trainingRows),
  detector: { type: 'isolation-forest', seed: 1 },
})

/** A server that answers `POST /score`. */
export interface Side {
  readonly name: string
  readonly url: string
  readonly pid: number
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

/** Posts JSON and gives the answer's text; throws when it is none of 2xx. */
export async function post(url: string, body: string): Promise<string> {
  const answer = await request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(text.slice(0, 300))
  return text
}

/** Our service with a trained model. */
export async function startOurs(): Promise<Side> {
  const service = await startService()
  await post(`${service.url}/train`, trainingBody)
  return { name: 'deepwatch', url: service.url, pid: service.pid, stop: () => service.stop() }
}

/** The bare route, which gives this answer. */
export async function startBare(answer: string): Promise<Side> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./bare.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin!.end(answer)
  return { name: 'bare fastify', url: await firstLine(child), pid: child.pid!, stop: () => end(child) }
}

/** FastAPI with scikit-learn, two workers. `matrix` is the training telemetry as a file. */
export async function startFastApi(matrix: string): Promise<Side> {
  const port = 20_000 + (process.pid % 20_000)
  const server = ['serve:app', '--workers', '2', '--port', String(port)]
  const child = spawn(preparePython(), ['-m', 'uvicorn', ...server, '--no-access-log', '--log-level', 'warning'], {
    cwd: fileURLToPath(new URL('../../../bench/rivals/', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEEPWATCH_BENCH_MATRIX: matrix, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
  })
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; ; attempt++) {
    try {
      await post(`${url}/score`, bodyOf(1))
      return { name: 'fastapi + scikit-learn', url, pid: child.pid!, stop: () => end(child) }
    } catch (error) {
      // It listens when scikit-learn is loaded; there is no event to wait for.
      if (attempt === 600 || child.exitCode !== null) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export interface Load {
  readonly requests: number
  readonly perSecond: number
  /** Milliseconds from sending a request to its answer. */
  readonly p50: number
  readonly p99: number
  /** Processor time that the server's main thread took for one request, in microseconds. */
  readonly cpu: number
  /** Share of the requests that was answered by a refusal. */
  readonly refused: number
  /** Connections that were answered at least once; the others still wait to be accepted. */
  readonly opened: number
}

const warmRequests = 15_000

/** Lets a side answer so many requests that what is hot is compiled. */
export async function warmUp({ url }: Side, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  await autocannon({ url: `${url}/score`, method: 'POST', headers, body, connections, amount: warmRequests })
}

/**
 * Loads a side for some seconds over `open` connections, after `settle` seconds on the same connections that do not count. Answers count when they are 200; throws when a connection failed, and when
 * more than this share of the requests was refused.
 */
export async function load(
  side: Side,
  body: string,
  duration: number,
  { open = connections, mayRefuse = 0, settle = 0 } = {},
): Promise<Load> {
  const before = threadMicroseconds(side.pid)
  const milliseconds: number[] = []
  let opened = 0
  const begin = performance.now() + settle * 1000
  const result = await autocannon({
    url: `${side.url}/score`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    connections: open,
    duration: settle + duration,
    // Its own percentiles are in whole milliseconds.
    setupClient: (client) => {
      client.once('response', () => opened++)
      client.on('response', (status, _bytes, time) => {
        if (Number(status) === 200 && performance.now() > begin) milliseconds.push(time)
      })
    },
  })
  const refused = result.non2xx / result.requests.total
  if (refused > mayRefuse || result.errors > 0)
    throw new Error(`${side.name}: ${result.non2xx} refused, ${result.errors} failed`)
  const requests = milliseconds.length
  const cpu = (threadMicroseconds(side.pid) - before) / result.requests.total
  milliseconds.sort((a, b) => a - b)
  const at = (share: number) =>
    milliseconds[Math.min(milliseconds.length - 1, Math.floor(share * milliseconds.length))]!
  return { requests, perSecond: requests / duration, p50: at(0.5), p99: at(0.99), cpu, refused, opened }
}

/** Processor time of a process's main thread so far. A clock tick is 10 ms on every Linux there is. */
function threadMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}
