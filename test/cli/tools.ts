/** Runs the real command line as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'
import { main } from '../../src/cli/main.ts'

/** The compiled entry. */
const cliPath = fileURLToPath(new URL('../../src/cli.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
  /** Standard output as text. */
  readonly text: string
}

export interface CliOptions {
  /** Null leaves it open. */
  readonly input?: string | Uint8Array | null
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts it; what it says is collected. */
export function startCli(
  args: readonly string[],
  options: CliOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [cliPath, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', DEEPWATCH_CORES: '2', ...options.env },
  })
  return { child, ended: collect(child, options.input === undefined ? '' : options.input) }
}

/** Runs it to its end. */
export const cli = (args: readonly string[], options: CliOptions = {}): Promise<Ended> => startCli(args, options).ended

/** The same inside this process, where everything is loaded already: for what a process of its own would not change. */
export async function inProcess(args: readonly string[]): Promise<Ended> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  const keep = (chunks: Buffer[]) => (chunk: string | Uint8Array) => chunks.push(Buffer.from(chunk as string)) > 0
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(keep(out)),
    vi.spyOn(process.stderr, 'write').mockImplementation(keep(err)),
  ]
  try {
    const code = await main(args)
    const stdout = Buffer.concat(out)
    return { code, stdout, stderr: Buffer.concat(err).toString(), text: stdout.toString() }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

/** Runs a line of bash in which `deepwatch` is the command line. */
export function bash(line: string, options: CliOptions = {}): Promise<Ended> {
  const child = spawn('bash', ['--norc', '--noprofile', '-c', `deepwatch() { "$NODE" "$CLI" "$@"; }; ${line}`], {
    cwd: options.cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE: process.execPath,
      CLI: cliPath,
      DEEPWATCH_CORES: '2',
      ...options.env,
    },
  })
  return collect(child, options.input ?? '')
}

async function collect(child: ChildProcess, input: string | Uint8Array | null): Promise<Ended> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => err.push(chunk))
  // A command that does not read its input is no failure of the test.
  child.stdin!.on('error', () => {})
  if (input !== null) child.stdin!.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  const stdout = Buffer.concat(out)
  return { code, stdout, stderr: Buffer.concat(err).toString(), text: stdout.toString() }
}
