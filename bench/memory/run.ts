/**
 * Memory while long files are scored: the peak PSS of all processes together, for 2 and for 20 million rows x
 * 8 doubles, trained and scored by path and uploaded and scored to Parquet through HTTP.
 * `npm run build && node dist/bench/memory/run.js [rows,rows,…]`; writes bench/results/memory.json.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { generateNormal } from '../generate.ts'
import { machine, peakPss, startService, treePss } from '../service/service.ts'

const counts = (process.argv[2] ?? '2000000,20000000').split(',').map(Number)
const results = fileURLToPath(new URL('../../../bench/results/', import.meta.url))

const mib = (bytes: number) => Math.round(bytes / 2 ** 20)

async function measure(folder: string, rows: number) {
  const path = join(folder, `${rows}.parquet`)
  generateNormal(path, { rows, features: 8 })
  const service = await startService({ DEEPWATCH_DATA_ROOTS: folder })
  const json = async (route: string, body: object) => {
    const answer = await request(service.url + route, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const read = (await answer.body.json()) as Record<string, unknown>
    if (answer.statusCode >= 300) throw new Error(JSON.stringify(read))
    return read
  }
  try {
    const idle = treePss(service.pid)
    const source = { path: `${rows}.parquet` }
    const train = await peakPss(service.pid, () =>
      json('/train', { model: 'm', source, detector: { type: 'isolation-forest', seed: 1 } }),
    )
    const byPath = await peakPss(service.pid, () => json('/score', { model: 'm', source, return: 'none' }))
    if (byPath.result['rows'] !== rows) throw new Error(`${String(byPath.result['rows'])} of ${rows} rows were scored`)
    const out = join(folder, 'out.parquet')
    const toParquet = await peakPss(service.pid, async () => {
      const answer = await request(`${service.url}/score?model=m`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.apache.parquet', accept: 'application/vnd.apache.parquet' },
        body: createReadStream(path),
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      if (answer.statusCode !== 200) throw new Error(await answer.body.text())
      await pipeline(answer.body, createWriteStream(out))
    })
    const bytes = (await stat(out)).size
    await rm(out)
    await rm(path)
    return {
      rows,
      idleMiB: mib(idle),
      train: { peakMiB: mib(train.peak), seconds: train.seconds },
      scoreByPath: { peakMiB: mib(byPath.peak), seconds: byPath.seconds },
      scoreToParquetOverHttp: { peakMiB: mib(toParquet.peak), seconds: toParquet.seconds, answerMiB: mib(bytes) },
    }
  } finally {
    await service.stop()
  }
}

const folder = await mkdtemp(join(tmpdir(), 'deepwatch-memory-'))
try {
  const measured = []
  for (const rows of counts) measured.push(await measure(folder, rows))
  for (const entry of measured) console.log(JSON.stringify(entry))
  const [first, last] = [measured[0]!, measured.at(-1)!]
  const kinds = ['train', 'scoreByPath', 'scoreToParquetOverHttp'] as const
  const ratios = Object.fromEntries(kinds.map((kind) => [kind, last[kind].peakMiB / first[kind].peakMiB]))
  for (const kind of kinds)
    console.log(
      `${kind}: ${last[kind].peakMiB} MiB at ${last.rows} rows, ${first[kind].peakMiB} MiB at ${first.rows} rows, ratio ${ratios[kind]!.toFixed(2)}`,
    )
  await mkdir(results, { recursive: true })
  await writeFile(
    join(results, 'memory.json'),
    `${JSON.stringify({ machine: machine(), measured, ratios }, null, 2)}\n`,
  )
} finally {
  await rm(folder, { recursive: true, force: true })
}
