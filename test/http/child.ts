/** The service as a process of its own: `node dist/src/main.js`, with the environment a test gives it and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { atTheEnd } from '../endings.ts'

export interface Child {
  readonly process: ChildProcess
  /** Every line of standard output, parsed; a line that is no JSON fails whoever waits. */
  readonly log: Record<string, unknown>[]
  readonly stderr: () => string
  /** The address it listens on, when it is ready; rejects when it ends before. */
  readonly ready: Promise<string>
  /** Fulfils with the exit code, or the name of the signal. */
  readonly exit: Promise<number | string | null>
  /** Fulfils when a line with this `msg` was logged. */
  logged(msg: string): Promise<Record<string, unknown>>
}

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

export function startChild(
  env: Readonly<Record<string, string>>,
  options: { cwd?: string; args?: string[]; program?: string } = {},
): Child {
  const child = spawn(process.execPath, [options.program ?? main, ...(options.args ?? [])], {
    env: { ...env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: Record<string, unknown>[] = []
  const waiting: { msg: string; found: (line: Record<string, unknown>) => void }[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, unknown>
    log.push(line)
    for (const { msg, found } of waiting) if (line['msg'] === msg) found(line)
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8')
  })
  const exit = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string | null)
  atTheEnd(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exit
  })
  const logged = (msg: string) =>
    new Promise<Record<string, unknown>>((found) => {
      const line = log.find((each) => each['msg'] === msg)
      if (line) found(line)
      else waiting.push({ msg, found })
    })
  const ready = Promise.race([
    logged('ready').then((line) => String(line['address'])),
    exit.then((code) => Promise.reject(new Error(`ended with ${code}: ${stderr}`))),
  ])
  ready.catch(() => {})
  return { process: child, log, stderr: () => stderr, ready, exit, logged }
}
