/** `deepwatch run` from a file to its five files, beside the same asked over HTTP; and what an interrupt leaves: nothing. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { startApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { cli, inProcess, startCli } from './tools.ts'

const five = ['anomaly_chart.png', 'model', 'report.html', 'scores.parquet', 'summary.json']

let folder: string
let parquet: string
let out: string
let printed: string
let summary: {
  readonly stages: readonly { readonly stage: string; readonly rows: number; readonly seconds: number }[]
  readonly training: Record<string, unknown>
  readonly rows: number
  readonly seconds: number
  readonly [key: string]: unknown
}

beforeAll(async () => {
  folder = await freshFolder()
  parquet = join(folder, 'fleet.parquet')
  out = join(folder, 'deep', 'out')
  expect(
    (await cli(['generate', '--hosts', '4', '--days', '3', '--incident-rate', '0.05', '--out', parquet])).code,
  ).toBe(0)
  const ended = await cli([
    'run',
    parquet,
    '--out',
    out,
    '--label',
    'label',
    '--entity',
    'host',
    '--seed',
    '3',
    '--time-zone',
    'Europe/Prague',
  ])
  expect([ended.code, ended.stdout.length]).toEqual([0, 0])
  printed = ended.stderr
  summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
})

describe('deepwatch run', () => {
  test('writes five files and nothing else', () => {
    expect(readdirSync(out).sort()).toEqual(five)
    for (const name of five) expect(statSync(join(out, name)).size).toBeGreaterThan(1000)
    expect(readFileSync(join(out, 'report.html'), 'utf8').toLowerCase()).toMatch(/^<!doctype html>/)
    expect(readFileSync(join(out, 'anomaly_chart.png')).subarray(1, 4).toString()).toBe('PNG')
    // They belong to whoever ran it, as any file they write.
    const mode = (name: string) => statSync(join(out, name)).mode & 0o777
    expect(five.map(mode)).toEqual(five.map(() => mode('report.html')))
  })

  test('says in plain lines what it did', () => {
    expect(printed.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    for (const stage of ['sampling', 'scoring', 'evaluating', 'writing'])
      expect(printed).toMatch(new RegExp(`^${stage} `, 'm'))
    expect(printed).toMatch(/^fleet@1: learnt \d+ features from [\d,]+ rows/m)
    expect(printed).toMatch(/^fleet@1: [\d,]+ of [\d,]+ rows above/m)
    expect(printed).toMatch(/^average precision +0\.\d+ +0\.\d+$/m)
    expect(printed).toContain(`open ${join(out, 'report.html')}`)
    expect(printed).not.toMatch(/WARN|Error/)
  })

  test('agrees with the service to the bit', async () => {
    const { url, stop } = await startApp({ DEEPWATCH_DATA_ROOTS: folder })
    const post = async (path: string, body: object, accept = 'application/json') => {
      const answer = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify(body),
      })
      expect(answer.ok).toBe(true)
      return Buffer.from(await answer.arrayBuffer())
    }
    const source = { path: 'fleet.parquet' }
    const roles = { label: 'label', entity: 'host', timeZone: 'Europe/Prague' }
    const detector = { type: 'auto', seed: 3 }
    const document = JSON.parse((await post('/train', { model: 'fleet', source, ...roles, detector })).toString())
    const facts = ({ seconds, ...rest }: Record<string, unknown>) => rest
    expect(facts(summary.training)).toEqual(facts(document.training))
    for (const key of ['threshold', 'detector', 'roles', 'warnings']) expect(summary[key]).toEqual(document[key])
    expect(summary['features']).toEqual(document.features.map(({ name }: { name: string }) => name))
    const evaluation = JSON.parse((await post('/evaluate', { model: 'fleet', source })).toString())
    expect(summary['evaluation']).toEqual(evaluation)
    expect(evaluation.averagePrecision).toBeGreaterThan(4 * evaluation.random.averagePrecision)
    const table = await post('/score', { model: 'fleet', source }, 'application/vnd.apache.parquet')
    expect(table.equals(readFileSync(join(out, 'scores.parquet')))).toBe(true)
    const lines = await post('/score', { model: 'fleet', source }, 'application/x-ndjson')
    const { summary: counts } = JSON.parse(lines.toString().trimEnd().split('\n').at(-1)!)
    expect(summary).toMatchObject({
      rows: counts.rows,
      anomalies: counts.anomalies,
      unscored: counts.unscored,
      model: 'fleet',
      version: 1,
    })
    // The model file alone gives the same scores anywhere.
    const again = await inProcess(['score', parquet, '--model', join(out, 'model'), '--quiet'])
    expect(again.stdout.equals(lines)).toBe(true)
    await stop()
  })

  test('times its stages', () => {
    const { stages } = summary
    expect(stages.map(({ stage }) => stage)).toEqual(
      expect.arrayContaining(['sampling', 'fitting', 'scoring', 'judging', 'writing']),
    )
    const sum = stages.reduce((all, { seconds }) => all + seconds, 0)
    expect(sum).toBeLessThanOrEqual(summary.seconds)
    expect(sum).toBeGreaterThan(0.3 * summary.seconds)
    // The rows that were trained on are scored once, for the threshold and for everything that is made of it.
    expect(stages.filter(({ stage }) => stage === 'scoring').map(({ rows }) => rows)).toEqual([summary.rows])
  })

  test('replaces its own files when it is forced to, and touches no other', async () => {
    writeFileSync(join(out, 'notes.txt'), 'mine')
    const before = five.map((name) => statSync(join(out, name)).mtimeMs)
    const args = ['run', parquet, '--out', out, '--seed', '4', '--json']
    const refused = await inProcess(args)
    expect([refused.code, refused.stdout.length]).toEqual([2, 0])
    expect(refused.stderr).toContain('summary.json already; --force replaces them.')
    expect(five.map((name) => statSync(join(out, name)).mtimeMs)).toEqual(before)
    const forced = await inProcess([...args, '--force'])
    expect(forced.code).toBe(0)
    expect(JSON.parse(forced.text)).toMatchObject({ evaluation: null, detector: { settings: { seed: 4 } } })
    expect(JSON.parse(forced.text)).toEqual(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')))
    expect(readdirSync(out).sort()).toEqual([...five, 'notes.txt'].sort())
    expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('mine')
  })

  test('goes on without an evaluation when the label has one class, and says so', async () => {
    const csv = (await inProcess(['generate', '--hosts', '2', '--days', '1', '--incident-rate', '0', '--quiet'])).stdout
    const ended = await cli(['run', '-', '--out', join(folder, 'calm'), '--label', 'label', '--model', 'calm'], {
      input: csv,
    })
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/^note: .*no labelled row is an anomaly/im)
    const calm = JSON.parse(readFileSync(join(folder, 'calm', 'summary.json'), 'utf8'))
    expect(calm).toMatchObject({
      model: 'calm',
      evaluation: null,
      training: { source: { kind: 'upload', format: 'csv' } },
    })
    expect(calm.notes).toHaveLength(1)
    expect(readdirSync(join(folder, 'calm')).sort()).toEqual(five)
  })

  test('leaves no folder when it fails', async () => {
    const ended = await inProcess(['run', parquet, '--out', join(folder, 'none'), '--label', 'nope', '--quiet'])
    expect([ended.code, ended.stderr]).toEqual([
      1,
      'deepwatch: unknown_column: --label: the source has no column "nope".\n',
    ])
    expect(existsSync(join(folder, 'none'))).toBe(false)
    writeFileSync(join(folder, 'file'), '')
    expect((await inProcess(['run', parquet, '--out', join(folder, 'file')])).code).toBe(2)
  })
})

describe('an interrupt', () => {
  /** Ends a command once it has said `word`, and looks what is left of it. */
  async function interrupt(args: readonly string[], word: RegExp | null, signal: NodeJS.Signals) {
    const { child, ended } = startCli(args, {})
    let said = ''
    child.stderr!.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const isThere = () => (word === null ? readdirSync(folder).some((name) => name.endsWith('.tmp')) : word.test(said))
    while (!isThere() && child.exitCode === null) await delay(10)
    const family = childrenOf(child.pid!)
    child.kill(signal)
    const { code, stderr } = await ended
    // A killed process may be gone a moment after its parent.
    const deadline = Date.now() + 5_000
    const alive = () => family.filter((pid) => isAlive(pid))
    while (alive().length > 0 && Date.now() < deadline) await delay(20)
    return { code, stderr, family: family.length, alive: alive() }
  }

  test('of a run leaves neither files nor processes', async () => {
    const big = join(folder, 'big.parquet')
    expect((await cli(['generate', '--rows', '300000', '--interval', '10s', '--out', big, '--quiet'])).code).toBe(0)
    const place = join(folder, 'stopped')
    const ended = await interrupt(['run', big, '--out', place, '--trees', '500'], /^sampling /m, 'SIGINT')
    expect(ended).toMatchObject({ code: 130, alive: [] })
    expect(ended.family).toBeGreaterThan(0)
    expect(ended.stderr).toMatch(/^deepwatch: job_cancelled: Stopped by SIGINT; nothing is left behind\.\n/m)
    expect(existsSync(place)).toBe(false)
  })

  test('reaches a command that waits for input', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    for (const file of ['-', pipe]) {
      const place = join(folder, 'waiting')
      // Its place is there as soon as it has begun; nothing is ever written to its input.
      const { child, ended } = startCli(['run', file, '--out', place], { input: null })
      while (!existsSync(place) && child.exitCode === null) await delay(10)
      while (readdirSync(place).length === 0) await delay(10)
      await delay(300)
      child.kill('SIGINT')
      expect((await ended).code).toBe(130)
      expect(existsSync(place)).toBe(false)
    }
  })

  test('of a generation leaves nothing either', async () => {
    const ended = await interrupt(
      ['generate', '--rows', '1000000000', '--out', join(folder, 'endless.parquet')],
      null,
      'SIGTERM',
    )
    expect(ended).toMatchObject({ code: 143, alive: [] })
    expect(ended.family).toBe(1)
    expect(readdirSync(folder).filter((name) => /endless|\.tmp$/.test(name))).toEqual([])
  })
})

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter((text) => text !== '')
      .map(Number)
    return children.flatMap((child) => [child, ...childrenOf(child)])
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
