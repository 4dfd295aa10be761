/**
 * Small requests: `POST /score` with rows as JSON over 32 connections, beside a bare Fastify route that parses
 * the same body and answers the same bytes, and beside FastAPI over scikit-learn with two workers. The
 * three in turns; client and servers share the machine.
 *
 *   node dist/bench/online/compare.js [rows per request,…] [seconds a round]
 *
 * Every side is warmed up by requests, not by time: on a busy machine two seconds are over before its code is compiled.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeMatrix } from '../matrix.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'
import {
  bodyOf,
  columns,
  connections,
  type Load,
  load,
  post,
  type Side,
  startBare,
  startFastApi,
  startOurs,
  trainingRows,
  warmUp,
} from './sides.ts'

const sizes = (process.argv[2] ?? '100,1').split(',').map(Number)
const seconds = Number(process.argv[3] ?? 2)
// Many and short: neighbours of the machine come and go, and the sides of one round stand close together.
const roundsOfLoad = 9

const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-online-'))
const matrix = join(scratch, 'matrix')
writeMatrix(matrix, { rows: trainingRows, columns })
const measured = []
const started: Side[] = []
try {
  const ours = await startOurs()
  started.push(ours)
  const fastApi = await startFastApi(matrix)
  started.push(fastApi)
  for (const rows of sizes) {
    const body = bodyOf(rows)
    const bare = await startBare(await post(`${ours.url}/score`, body))
    started.push(bare)
    const sides = [ours, bare, fastApi]
    const loads = new Map<Side, Load[]>(sides.map((side) => [side, []]))
    for (const side of [ours, bare]) await warmUp(side, body)
    await load(fastApi, body, 2)
    for (let round = 0; round < roundsOfLoad; round++)
      for (const side of sides) loads.get(side)!.push(await load(side, body, seconds))
    await bare.stop()
    const middle = (side: Side, key: keyof Load) => median(loads.get(side)!.map((one) => one[key]))
    console.log(`\n${rows} rows a request, ${connections} connections`)
    printTable([
      ['side', 'requests/s', 'rows/s', 'p50 ms', 'p99 ms', 'main thread us'],
      ...sides.map((side) => [
        side.name,
        middle(side, 'perSecond').toFixed(0),
        (rows * middle(side, 'perSecond')).toFixed(0),
        middle(side, 'p50').toFixed(1),
        middle(side, 'p99').toFixed(1),
        side === fastApi ? '-' : middle(side, 'cpu').toFixed(0),
      ]),
    ])
    const ratio = (a: Side, b: Side, key: keyof Load) => middle(a, key) / middle(b, key)
    const rounds = (key: keyof Load) => loads.get(ours)!.map((one, round) => one[key] / loads.get(bare)![round]![key])
    const entry = {
      rows,
      shareOfBare: median(rounds('perSecond')),
      shareOfBareByRound: rounds('perSecond'),
      p99ToBare: median(rounds('p99')),
      p99ToBareByRound: rounds('p99'),
      mainThreadToBare: median(rounds('cpu')),
      mainThreadToBareByRound: rounds('cpu'),
      timesFastApi: ratio(ours, fastApi, 'perSecond'),
      p99ToFastApi: ratio(ours, fastApi, 'p99'),
      loads: Object.fromEntries(sides.map((side) => [side.name, loads.get(side)])),
    }
    console.log(
      `${(100 * entry.shareOfBare).toFixed(0)} % of the bare route, p99 ${entry.p99ToBare.toFixed(2)} of its; ${entry.timesFastApi.toFixed(1)} times FastAPI at ${entry.p99ToFastApi.toFixed(3)} of its p99`,
    )
    const spread = (key: keyof Load) => {
      const all = rounds(key).sort((a, b) => a - b)
      return `${all[0]!.toFixed(2)} to ${all.at(-1)!.toFixed(2)}`
    }
    console.log(
      `beside the bare route, by round: requests ${spread('perSecond')}, p99 ${spread('p99')}, main thread ${spread('cpu')}`,
    )
    measured.push(entry)
  }
} finally {
  for (const side of started) await side.stop()
  rmSync(scratch, { recursive: true, force: true })
}
writeResult('online', { measured, connections, seconds, machine: describeMachine() })
