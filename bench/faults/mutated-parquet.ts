/**
 * Mutated Parquet files sent to the running service: no answer of 500 and above, no death of the main
 * process, good requests served meanwhile. `npm run build && node dist/bench/faults/mutated-parquet.js [files] [seed]`;
 * exits 1 on any failure; writes bench/results/mutated-parquet.json.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { request } from 'undici'
import { createRandom, type Random } from '../../src/kernels/sampling/random.ts'
import { type BenchService, machine, startService } from '../service/service.ts'

const files = Number(process.argv[2] ?? 2000)
const seed = Number(process.argv[3] ?? 20261122)
const atOnce = 4
const results = fileURLToPath(new URL('../../../bench/results/', import.meta.url))
const parquet = 'application/vnd.apache.parquet'

/** Small files of many shapes: codecs, row groups, nulls, texts, nested and odd types. All have the columns a and b. */
async function makeCorpus(folder: string): Promise<Buffer[]> {
  const connection = await (await DuckDBInstance.create()).connect()
  const base = `select i::double / 7 as a, sin(i) as b`
  const shapes = [
    base,
    `${base}, timestamp '2026-01-01' + interval (i) minute as ts`,
    `${base}, 'host-' || (i % 5) as host, i % 9 = 0 as label`,
    `${base}, if(i % 3 = 0, null, i::decimal(12, 3)) as d, i::hugeint as h, (i % 200)::utinyint as u`,
    `select i::double / 7 as a, if(i % 10 = 0, null, sin(i)) as b, [i, i + 1] as l, {'x': i, 'y': 'z'} as s, map([i], ['v']) as m`,
    `${base}, uuid() as id, (i::varchar)::blob as bytes, time '10:00:00' + interval (i) second as t, date '2026-01-01' as day`,
  ]
  const corpus: Buffer[] = []
  for (const [index, shape] of shapes.entries()) {
    for (const options of [
      'compression zstd',
      'compression snappy',
      'compression uncompressed',
      'compression gzip, row_group_size 2048',
      'parquet_version v2',
    ]) {
      const path = join(folder, `${index}-${corpus.length}.parquet`)
      await connection.run(
        `copy (${shape} from range(${index % 2 === 0 ? 300 : 6000}) r(i)) to '${path}' (format parquet, ${options})`,
      )
      corpus.push(await readFile(path))
    }
  }
  connection.closeSync()
  return corpus
}

/** A copy with one to four injuries: flipped bits, set bytes, extreme words, a cut, an edited footer length. */
function mutate(random: Random, original: Buffer): Buffer {
  const bytes = Buffer.from(original)
  const footer = bytes.readUInt32LE(bytes.length - 8)
  const extremes = [0, 1, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xffffffff]
  for (let injury = 1 + random.nextInt(4); injury > 0; injury--) {
    // Half of them hit the footer, where the structure is.
    const at =
      random.nextInt(2) === 0 ? random.nextInt(bytes.length) : bytes.length - 8 - random.nextInt(Math.max(1, footer))
    const kind = random.nextInt(12)
    if (kind < 5) bytes[at]! ^= 1 << random.nextInt(8)
    else if (kind < 8) bytes[at] = random.nextInt(256)
    else if (kind < 10) bytes.writeUInt32LE(extremes[random.nextInt(extremes.length)]!, Math.min(at, bytes.length - 4))
    else if (kind < 11)
      bytes.writeUInt32LE(
        random.nextInt(2) === 0 ? footer + random.nextInt(64) : extremes[random.nextInt(extremes.length)]!,
        bytes.length - 8,
      )
    else return bytes.subarray(0, random.nextInt(bytes.length))
  }
  return bytes
}

async function send(service: BenchService, path: string, body: Buffer): Promise<number> {
  const answer = await request(service.url + path, {
    method: 'POST',
    headers: { 'content-type': parquet },
    body,
    headersTimeout: 120_000,
    bodyTimeout: 120_000,
  })
  await answer.body.dump({ limit: 64 * 1024 * 1024, signal: AbortSignal.timeout(120_000) })
  return answer.statusCode
}

const folder = await mkdtemp(join(tmpdir(), 'deepwatch-mutants-'))
const service = await startService({ LOG_LEVEL: 'info', DEEPWATCH_READER_QUEUE: '64' })
const failures: string[] = []
const statuses = new Map<number, number>()
let good = 0
try {
  const corpus = await makeCorpus(folder)
  const random = createRandom(seed, 0)
  const trained = await send(service, '/train?model=good', corpus[0]!)
  if (trained !== 201) throw new Error(`the good model was not trained: ${trained}`)
  let next = 0
  const worker = async () => {
    while (next < files && service.alive()) {
      const number = next++
      const mutant = mutate(random, corpus[random.nextInt(corpus.length)]!)
      const path = number % 5 === 0 ? `/train?model=mutant-${number % 3}` : '/score?model=good&return=none'
      const status = await send(service, path, mutant).catch((error: Error) => {
        failures.push(`file ${number}: no answer (${error.message})`)
        return 0
      })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status >= 500) {
        failures.push(`file ${number}: ${status}`)
        await writeFile(join(tmpdir(), `deepwatch-mutant-${seed}-${number}.parquet`), mutant)
      }
      if (number % 25 !== 0) continue
      const fine = await send(service, '/score?model=good&return=none', corpus[0]!)
      if (fine === 200) good++
      else failures.push(`a good file after ${number}: ${fine}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (!service.alive()) failures.push('the main process died')
  const metrics = await (await request(`${service.url}/metrics`)).body.text()
  const deaths = Number(/^deepwatch_reader_deaths_total (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
  const report = {
    machine: machine(),
    seed,
    files: next,
    statuses: Object.fromEntries([...statuses].sort()),
    readerDeaths: deaths,
    goodRequests: good,
    failures,
  }
  console.log(JSON.stringify(report, null, 2))
  await mkdir(results, { recursive: true })
  await writeFile(join(results, 'mutated-parquet.json'), `${JSON.stringify(report, null, 2)}\n`)
} finally {
  await service.stop()
  await rm(folder, { recursive: true, force: true })
}
if (failures.length > 0) process.exitCode = 1
