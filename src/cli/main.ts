/** From arguments to an exit code: finds the command, takes its flags apart, tells errors in one line. */
import { software } from '../software.ts'
import type { Call, Command } from './command.ts'
import { commands } from './commands.ts'
import { type Flag, switchFlag } from './flag.ts'
import { listen } from './interrupt.ts'

/** Done, failed, used wrongly. */
const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** Errors that a person mends by calling differently. */
const usageCodes = new Set([
  'validation_failed',
  'unused_setting',
  'conflicting_parameter',
  'duplicate_key',
  'invalid_id',
])

const helpFlags: readonly Flag[] = [switchFlag('help', 'This text.'), switchFlag('help-all', 'Every flag.')]

/** Runs one command line and gives its exit code. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === '--version') return say(`${software.version}\n`)
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const { overview } = await import('./help.ts')
    return say(overview())
  }
  const command = commands.find((each) => each.name === name)
  try {
    if (command === undefined) return await complainOfCommand(name)
    return await runCommand(command, rest)
  } catch (error) {
    return tellError(error)
  }
}

async function complainOfCommand(name: string): Promise<number> {
  const { suggestion } = await import('./suggestion.ts')
  const near = suggestion(
    name,
    commands.map((each) => each.name),
  )
  const advice = near === null ? 'see deepwatch --help' : `did you mean ${near}?`
  process.stderr.write(
    `deepwatch: validation_failed: there is no command ${JSON.stringify(name.slice(0, 40))}; ${advice}\n`,
  )
  return exitCodes.usage
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const flags = await import('./flags.ts')
  const schema = await command.schema?.()
  const settings = schema
    ? flags.flagsOfSettings(schema).filter((flag) => !command.without?.includes(flag.path[0]!))
    : []
  const all = [...helpFlags, ...command.own, ...settings]
  const asked = args.slice(0, args.includes('--') ? args.indexOf('--') : args.length)
  if (asked.some((arg) => ['--help', '-h', '--help-all'].includes(arg))) {
    const { longHelp, shortHelp } = await import('./help.ts')
    return say(asked.includes('--help-all') ? longHelp(command, settings) : shortHelp(command, settings))
  }
  const given = flags.readArguments(args, all)
  const own = new Map([...given.flags].filter(([name]) => command.own.some((flag) => flag.name === name)))
  const isQuiet = own.get('quiet') === true
  const { createProgress } = await import('./progress.ts')
  const progress = createProgress(isQuiet ? null : terminal())
  const interrupt = listen()
  let isReading = false
  const call: Call = {
    commands,
    command,
    operands: given.operands,
    settings: flags.settingsOf(given, settings),
    text(name) {
      const value = own.get(name)
      return typeof value === 'string' ? value : undefined
    },
    isOn: (name) => own.get(name) === true,
    check: (schema, values) => flags.checkSettings(schema, values, all),
    work: { signal: interrupt.signal, progress },
    env: process.env,
    get stdin() {
      // Asked for by name alone: it would keep the process alive.
      isReading = true
      return process.stdin
    },
    isTerminal: process.stdout.isTTY === true,
    tell: (line) => void (isQuiet || process.stderr.write(`${line}\n`)),
    print: (text) => interrupt.print(text),
  }
  try {
    const { run } = await command.load()
    return await run(call)
  } catch (error) {
    progress.end()
    const code = interrupt.exitCode()
    // What came from outside explains whatever failed after it.
    if (code === null) throw flags.inFlags(error, all)
    if (code !== exitCodes.done) tellError(interrupt.signal.reason)
    return code
  } finally {
    interrupt.stop()
    if (isReading) process.stdin.destroy()
  }
}

function terminal() {
  const { stderr } = process
  const isDumb = process.env['TERM'] === 'dumb'
  return {
    write: (text: string) => void stderr.write(text),
    columns: () => (stderr.isTTY && !isDumb ? stderr.columns || 80 : null),
    color: stderr.isTTY && !isDumb && (process.env['NO_COLOR'] ?? '') === '',
    now: () => performance.now(),
  }
}

/** One line, whatever is in it. */
function tellError(error: unknown): number {
  const { code = 'internal_error', message } = error as { code?: string; message?: string }
  const isOurs = (error as Error).name === 'DeepWatchError'
  const detail = message ?? String(error)
  const line = detail.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  process.stderr.write(`deepwatch: ${isOurs ? code : 'internal_error'}: ${line}\n`)
  return usageCodes.has(code) ? exitCodes.usage : exitCodes.failed
}

function say(text: string): number {
  process.stdout.write(text)
  return exitCodes.done
}
