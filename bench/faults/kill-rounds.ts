import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openRegistry, type Registry } from '../../src/registry/registry.ts'
import { lockHome } from '../../src/storage/home-lock.ts'
import {
  apply,
  type Facts,
  nothing,
  type Operation,
  payloadOf,
  type SavedDocument,
  seededRandom,
  show,
} from './operations.ts'

export interface KillReport {
  kills: number
  /** Operations whose end was printed before a kill. */
  acknowledged: number
  /** Operations that a kill met, and how many of them are there whole. */
  interrupted: number
  interruptedButDone: number
  /** Damaged registries: something in quarantine, or something left over. */
  damaged: number
  /** Acknowledged facts that are no longer true. */
  lost: number
  /** Versions that nobody was told about and that were not under way. */
  phantoms: number
  /** The longest from a start to readiness. */
  slowestReadyMs: number
  /** Each failure in one line. */
  readonly failures: string[]
}

const LANES = 3
/** A child that is not ready by then counts as a failure. */
const READY_MS = 5_000

/** Kills a process that changes the registry in `home` again and again, and compares what is left with what it had said. */
export async function killRounds(home: string, kills: number, seed: number): Promise<KillReport> {
  const random = seededRandom(seed)
  const report: KillReport = {
    kills: 0,
    acknowledged: 0,
    interrupted: 0,
    interruptedButDone: 0,
    damaged: 0,
    lost: 0,
    phantoms: 0,
    slowestReadyMs: 0,
    failures: [],
  }
  const truth = new Map<string, Facts>()
  for (let round = 0; round < kills; round++) {
    // Every eighth is killed while it starts, wherever that finds it.
    const whileStarting = round % 8 === 7
    const lines = await runAndKill(home, seed + round, random() * (whileStarting ? 150 : 50), whileStarting, report)
    report.kills++
    const underWay = follow(lines, truth, report)
    await inspect(home, round, truth, underWay, report)
  }
  return report
}

/** Starts the child, kills it so many milliseconds after it is ready (or started), and returns its lines. */
async function runAndKill(
  home: string,
  seed: number,
  afterMs: number,
  whileStarting: boolean,
  report: KillReport,
): Promise<string[]> {
  const script = fileURLToPath(new URL('./saving-child.js', import.meta.url))
  const child = spawn(process.execPath, [script, home, String(seed), String(LANES)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const started = performance.now()
  let text = ''
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (text.startsWith('ready')) resolve()
    })
  })
  try {
    if (!whileStarting) {
      await Promise.race([ready, closed, delay(READY_MS)])
      const readyMs = performance.now() - started
      report.slowestReadyMs = Math.max(report.slowestReadyMs, readyMs)
      if (!text.startsWith('ready')) report.failures.push(`not ready after ${readyMs.toFixed(0)} ms: ${text}`)
    }
    await delay(afterMs)
  } finally {
    child.kill('SIGKILL')
    const [code] = (await closed) as [number | null]
    if (code !== null) report.failures.push(`the child ended by itself with code ${code}`)
  }
  // What was printed is whole up to the last line break.
  return text.split('\n').slice(0, -1)
}

/** Brings the truth up to the last acknowledgement; returns what was under way, by model. */
function follow(lines: readonly string[], truth: Map<string, Facts>, report: KillReport): Map<string, Operation> {
  const underWay = new Map<string, Operation>()
  for (const line of lines) {
    const [word = ''] = line.split(' ', 1)
    const operation = JSON.parse(line.slice(word.length)) as Operation & { saved: number }
    if (word === 'log') report.failures.push(`the child complained: ${line}`)
    if (word === 'start') underWay.set(operation.model, operation)
    if (word !== 'done') continue
    underWay.delete(operation.model)
    const before = truth.get(operation.model) ?? nothing
    if (operation.do === 'add' && operation.saved <= before.last) {
      report.failures.push(`${operation.model}: the number ${operation.saved} came again`)
    }
    truth.set(operation.model, apply(before, operation, operation.saved))
    report.acknowledged++
  }
  return underWay
}

/** Takes the folder over as a restart does, and compares. What is there becomes the truth of the next round. */
async function inspect(
  home: string,
  round: number,
  truth: Map<string, Facts>,
  underWay: ReadonlyMap<string, Operation>,
  report: KillReport,
): Promise<void> {
  const started = performance.now()
  const lock = await lockHome(home)
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const registry = await openRegistry<SavedDocument>({ home, cacheBytes: 1_000_000, maxModels: 100, log })
  report.slowestReadyMs = Math.max(report.slowestReadyMs, performance.now() - started)
  const names = await readdir(join(home, 'models'), { recursive: true })
  const leftOver = names.filter((name) => /\.(tmp|trash)-/.test(name))
  if (registry.quarantined().length > 0 || leftOver.length > 0) {
    report.damaged++
    report.failures.push(`kill ${round}: ${JSON.stringify(registry.quarantined())} ${leftOver.join(' ')}`)
  }
  const models = new Set([...truth.keys(), ...registry.list().models.map(({ name }) => name), ...underWay.keys()])
  for (const model of models) {
    const before = truth.get(model) ?? nothing
    const found = await read(registry, model, before.last, report)
    const failure = judge(before, found, underWay.get(model), report)
    if (failure !== null) report.failures.push(`kill ${round}: ${model}: ${failure}`)
    truth.set(model, found)
  }
  await registry.close()
  await lock.release()
}

/** The facts of a model as the reopened registry tells them, every payload compared. */
async function read(
  registry: Registry<SavedDocument>,
  model: string,
  last: number,
  report: KillReport,
): Promise<Facts> {
  const summary = registry.list().models.find(({ name }) => name === model)
  if (summary === undefined) return nothing
  const versions = new Map<number, string>()
  for (const version of summary.versions.filter((version) => !summary.quarantined.includes(version))) {
    const { document, payload } = await registry.resolve(`${model}@${version}`)
    const { nonce, bytes } = document
    const isRight = document.version === version && Buffer.compare(Buffer.from(payload), payloadOf(nonce, bytes)) === 0
    if (!isRight) {
      report.damaged++
      report.failures.push(`${model}@${version} holds something else`)
    }
    versions.set(version, nonce)
  }
  return { versions, serving: summary.serving, last: Math.max(last, summary.newest) }
}

/** Whether what is found is what was acknowledged, or that and the operation under way; null or what is wrong. */
function judge(before: Facts, found: Facts, operation: Operation | undefined, report: KillReport): string | null {
  if (operation !== undefined) report.interrupted++
  if (show(found) === show(before)) return null
  if (operation !== undefined) {
    const isAdded = ([version, nonce]: [number, string]) =>
      operation.do === 'add' && nonce === operation.nonce && !before.versions.has(version)
    const added = [...found.versions].find(isAdded)?.[0] ?? 0
    const after = apply(before, operation, added)
    if ((operation.do !== 'add' || added > before.last) && show(found) === show(after)) {
      report.interruptedButDone++
      return null
    }
  }
  const gone = [...before.versions].filter(([version, nonce]) => found.versions.get(version) !== nonce)
  const strange = [...found.versions].filter(([version, nonce]) => before.versions.get(version) !== nonce)
  if (gone.length > 0 || strange.length === 0) report.lost++
  if (strange.length > 0) report.phantoms++
  return `was ${show(before)}; is ${show(found)}; under way ${JSON.stringify(operation ?? null)}`
}
