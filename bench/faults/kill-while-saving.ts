/**
 * Evidence: `kill -9` at random moments while models are saved, chosen and deleted in a loop.
 *
 *     node dist/bench/faults/kill-while-saving.js [kills = 200] [seed]
 *
 * Exits 1 on any damaged registry, lost acknowledgement or phantom version, or a start of more than 5 s.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkCallOrder } from './call-order.ts'
import { killRounds } from './kill-rounds.ts'

const kills = Number(process.argv[2] ?? 200)
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 1e6))
const base = await mkdtemp(join(tmpdir(), 'deepwatch-kills-'))
console.log(`kills ${kills}, seed ${seed}, Node ${process.version}`)
try {
  const report = await killRounds(join(base, 'killed'), kills, seed)
  const order = await checkCallOrder(await mkdtemp(join(base, 'traced-')), 60, seed)
  const isSlow = report.slowestReadyMs >= 5_000
  const { failures, slowestReadyMs, ...counts } = report
  console.table({
    ...counts,
    slowestReadyMs: Math.round(slowestReadyMs),
    callOrder: order.skipped ?? `${order.acknowledged} acknowledgements, ${order.failures.length} out of order`,
  })
  for (const failure of [...failures, ...order.failures]) console.error(failure)
  const isSound = failures.length === 0 && order.failures.length === 0 && !isSlow && report.acknowledged > kills
  if (!isSound) process.exitCode = 1
  console.log(isSound ? 'ok' : 'FAILED')
} finally {
  await rm(base, { recursive: true, force: true })
}
