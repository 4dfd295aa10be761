import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A system call that matters, in the order in which they ended. */
interface Call {
  readonly name: string
  readonly text: string
}

export interface OrderReport {
  /** Why nothing was looked at. */
  readonly skipped: string | null
  readonly acknowledged: number
  readonly failures: readonly string[]
}

/**
 * Lets a child save and delete under `strace` and checks every acknowledgement: each file renamed into place
 * was synced before, and each folder changed was synced after the change and before the acknowledgement.
 */
export async function checkCallOrder(home: string, operations: number, seed: number): Promise<OrderReport> {
  const trace = join(home, 'trace.txt')
  const script = fileURLToPath(new URL('./saving-child.js', import.meta.url))
  const calls = 'trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,write'
  const child = spawn(
    'strace',
    [
      '-f',
      '-y',
      '-s',
      '200',
      '-o',
      trace,
      '-e',
      calls,
      '-e',
      'signal=none',
      process.execPath,
      script,
      home,
      String(seed),
      '1',
      String(operations),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' } },
  )
  const complaints: string[] = []
  child.stderr.setEncoding('utf8').on('data', (part: string) => complaints.push(part))
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0)
      return {
        skipped: `strace does not work here: ${complaints.join('').slice(0, 200)}`,
        acknowledged: 0,
        failures: [],
      }
  } catch {
    return { skipped: 'strace is not installed', acknowledged: 0, failures: [] }
  }
  return judge(readCalls(await readFile(trace, 'utf8')), join(home, 'models'))
}

/** The calls of all threads; one that another thread interrupted counts where it ended. */
function readCalls(text: string): Call[] {
  const unfinished = new Map<string, string>()
  const calls: Call[] = []
  for (const line of text.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(thread, rest.slice(0, -'<unfinished ...>'.length))
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const whole = resumed ? `${unfinished.get(thread) ?? ''}${resumed[1] ?? ''}` : rest
    const name = /^(\w+)\(/.exec(whole)?.[1]
    if (name !== undefined && !/= -1 /.test(whole)) calls.push({ name, text: whole })
  }
  return calls
}

/** Holds the calls against the order: sync a file, rename it, sync its folder, and only then acknowledge. */
function judge(calls: readonly Call[], models: string): OrderReport {
  const order = new WriteOrder(models)
  for (const call of calls) order.take(call)
  return { skipped: null, acknowledged: order.acknowledged, failures: order.failures }
}

class WriteOrder {
  readonly failures: string[] = []
  acknowledged = 0
  readonly #models: string
  readonly #synced = new Set<string>()
  /** Folders whose entries changed since their last sync, with the change. */
  readonly #unsynced = new Map<string, string>()
  #changes = 0

  constructor(models: string) {
    this.#models = models
  }

  take({ name, text }: Call): void {
    const [path, target] = this.#pathsOf(text)
    if (name === 'write' && text.includes('"done {')) this.#acknowledge(text)
    if (path === undefined) return
    if (name === 'fsync') {
      this.#synced.add(path)
      this.#unsynced.delete(path)
    }
    if (name.startsWith('rename') && target !== undefined) {
      if (/\.tmp-/.test(path) && !this.#synced.has(path)) this.failures.push(`renamed before it was synced: ${text}`)
      this.#change(name, target)
    }
    if (name === 'mkdir' && path !== this.#models) this.#change(name, path)
    if (/^(unlink|rmdir)/.test(name) && !text.includes('.trash-')) this.#change(name, path)
  }

  /** The paths of a call that lie below the models. */
  #pathsOf(text: string): string[] {
    return [...text.matchAll(/["<](\/[^">]*)[">]/g)]
      .map(([, path = '']) => path)
      .filter((path) => path.startsWith(this.#models))
  }

  #change(name: string, path: string): void {
    this.#unsynced.set(path.slice(0, path.lastIndexOf('/')), `${name} ${path.slice(this.#models.length)}`)
    this.#changes++
  }

  #acknowledge(text: string): void {
    this.acknowledged++
    if (this.#changes === 0) this.failures.push(`acknowledged without any change: ${text}`)
    for (const cause of this.#unsynced.values())
      this.failures.push(`acknowledged before its folder was synced: ${cause}`)
    this.#unsynced.clear()
    this.#changes = 0
  }
}
