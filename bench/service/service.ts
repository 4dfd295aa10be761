/** Starts the real service as a process of its own for a bench, and measures the memory of all its processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

export interface BenchService {
  readonly url: string
  readonly pid: number
  readonly home: string
  /** Whether the main process still lives. */
  alive(): boolean
  /** Ends it with SIGTERM and gives its exit code; the state folder is removed. */
  stop(): Promise<number | null>
}

/** Starts `dist/src/main.js` on a free loopback port with a fresh state folder; resolves when it is ready. */
export async function startService(env: Readonly<Record<string, string>> = {}): Promise<BenchService> {
  const home = await mkdtemp(join(tmpdir(), 'deepwatch-bench-'))
  const child: ChildProcess = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'] ?? '', PORT: '0', DEEPWATCH_HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout! })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the service ended with ${code} before it was ready`)))
    lines.on('line', (line) => {
      const { msg, address } = JSON.parse(line) as { msg: string; address?: string }
      if (msg === 'ready' && address) resolve(address)
    })
  })
  // Its log flows on, unread: reading it would cost the bench more than writing it costs the service.
  lines.close()
  child.stdout!.resume()
  return {
    url,
    pid: child.pid!,
    home,
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      await rm(home, { recursive: true, force: true })
      return child.exitCode
    },
  }
}

/** PSS of a process and all its descendants, in bytes; shared pages are counted once over all of them. */
export function treePss(pid: number): number {
  let sum = 0
  for (const member of [pid, ...descendants(pid)]) {
    try {
      sum += Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${member}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return sum
}

/** Processor time of a process and all its descendants so far, those that ended included, in seconds. */
export function treeCpu(pid: number): number {
  let ticks = 0
  for (const member of [pid, ...descendants(pid)]) {
    try {
      const stat = readFileSync(`/proc/${member}/stat`, 'utf8')
      // Own time in user and system mode, and that of children which were waited for.
      const times = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 15)
      ticks += times.reduce((sum, time) => sum + Number(time), 0)
    } catch {
      // It ended between the listing and the reading.
    }
  }
  // A clock tick is 10 ms on every Linux there is.
  return ticks / 100
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // Gone.
    }
  }
  const found = [...(children.get(root) ?? [])]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** The highest PSS of a process tree while `work` runs, sampled every 100 ms. */
export async function peakPss<Result>(
  pid: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; peak: number; seconds: number }> {
  let peak = treePss(pid)
  const timer = setInterval(() => {
    peak = Math.max(peak, treePss(pid))
  }, 100)
  const started = performance.now()
  try {
    const result = await work()
    return { result, peak, seconds: (performance.now() - started) / 1000 }
  } finally {
    clearInterval(timer)
  }
}

/** The line every bench prints first: what it ran on. */
export function machine(): { node: string; cpu: string; cores: number } {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown'
  return {
    node: process.version,
    cpu,
    cores: Number(/^cpu cores\s*:\s*(\d+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 0),
  }
}
