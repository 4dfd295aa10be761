/** From arguments to an exit code: finds the command, takes its flags apart, tells errors in one line. */
import { software } from '../software.ts'
import type { Call, Command } from './command.ts'
import { commands } from './commands.ts'
import type { Flag } from './flag.ts'
import { switchFlag } from './flag.ts'
import { listen } from './interrupt.ts'

/** Done, failed, used wrongly. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const

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
  if (args.includes('--help') || args.includes('-h') || args.includes('--help-all')) {
    const { longHelp, shortHelp } = await import('./help.ts')
    return say(args.includes('--help-all') ? longHelp(command, settings) : shortHelp(command, settings))
  }
  const given = flags.readArguments(args, all)
  const own = (name: string) => {
    const value = given.flags.get(name)
    return command.own.some((flag) => flag.name === name) ? value : undefined
  }
  const isQuiet = own('quiet') === true
  const { createProgress } = await import('./progress.ts')
  const progress = createProgress(isQuiet ? null : terminal())
  const interrupt = listen()
  let isReading = false
  const call: Call = {
    commands,
    command,
    operands: given.operands,
    flags: [...command.own, ...settings],
    settings: flags.settingsOf(given, settings),
    text(name) {
      const value = own(name)
      return typeof value === 'string' ? value : undefined
    },
    isOn: (name) => own(name) === true || own(name) === 'true',
    check: (wanted, values) => flags.checkSettings(wanted, values, [...command.own, ...settings]),
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
    if (code === null) {
      const { DeepWatchError } = await import('../errors.ts')
      throw error instanceof DeepWatchError ? flags.inFlags(error, all) : error
    }
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
