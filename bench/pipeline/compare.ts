/**
 * The whole pipeline by the clock and in memory: `deepwatch run` beside the Python script that most people would write
 * (bench/rivals/pipeline.py), both from start to last file, in turns, on the same generated telemetry.
 *
 *   node dist/bench/pipeline/compare.js [rows] [rounds]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generate } from '../generate.ts'
import { preparePython } from '../python.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'
import { peakPss } from '../service/service.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const rounds = Number(process.argv[3] ?? 5)
const cli = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const script = fileURLToPath(new URL('../../../bench/rivals/pipeline.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'deepwatch-pipeline-'))
const source = join(folder, 'fleet.parquet')

interface Measured {
  readonly seconds: number
  readonly peakMiB: number
}

/** Runs a command to its end. */
async function measure(program: string, args: readonly string[], out: string): Promise<Measured> {
  rmSync(out, { recursive: true, force: true })
  // A setting of the benches is none of the service, which would refuse it.
  const { DEEPWATCH_BENCH_VENV: _, ...env } = process.env
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder, env })
  const { peak, seconds } = await peakPss(child.pid!, () => once(child, 'exit'))
  if (child.exitCode !== 0) throw new Error(`${program} ended with ${child.exitCode}`)
  return { seconds, peakMiB: Math.round(peak / 2 ** 20) }
}

try {
  const python = preparePython()
  generate(source, { rows, hosts: 50 })
  const [out, theirOut] = [join(folder, 'ours'), join(folder, 'theirs')]
  const run = [
    'run',
    source,
    '--out',
    out,
    '--detector',
    'isolation-forest',
    '--label',
    'label',
    '--seed',
    '1',
    '--quiet',
  ]
  const ours: Measured[] = []
  const theirs: Measured[] = []
  for (let round = 0; round <= rounds; round++) {
    const own = await measure(process.execPath, [cli, ...run], out)
    const other = await measure(python, [script, source, theirOut], theirOut)
    // The first round warms the caches of files.
    if (round === 0) continue
    ours.push(own)
    theirs.push(other)
  }
  for (const name of ['model', 'scores.parquet', 'anomaly_chart.png', 'report.html', 'summary.json'])
    if (!existsSync(join(out, name))) throw new Error(`${name} is missing`)
  const middle = (side: Measured[], key: keyof Measured) => median(side.map((one) => one[key]))
  printTable([
    ['side', 'seconds', 'peak MiB'],
    ['deepwatch run', middle(ours, 'seconds').toFixed(2), middle(ours, 'peakMiB')],
    ['python script', middle(theirs, 'seconds').toFixed(2), middle(theirs, 'peakMiB')],
  ])
  const ratio = median(ours.map(({ seconds }, round) => theirs[round]!.seconds / seconds))
  const memory = middle(ours, 'peakMiB') / middle(theirs, 'peakMiB')
  const spread = (side: Measured[]) =>
    [Math.min, Math.max].map((end) => end(...side.map(({ seconds }) => seconds)).toFixed(2)).join(' to ')
  console.log(`seconds over ${rounds} rounds: ours ${spread(ours)}, theirs ${spread(theirs)}`)
  console.log(`${ratio.toFixed(2)} times as fast, ${memory.toFixed(2)} times the memory`)
  writeResult('pipeline', {
    ratio,
    memory,
    ours,
    theirs,
    rows,
    bytes: statSync(source).size,
    machine: describeMachine(),
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
