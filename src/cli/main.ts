/** From arguments to an exit code: finds the command, takes its flags apart, tells errors in one line. */
import type { Call, Command } from './command.ts'
import { commands } from './commands.ts'
import { listen } from './interrupt.ts'
import { createProgram, describeCommand, inOneLine, readArguments } from './program.ts'

const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/** Errors that a person mends by calling differently. */
const usageCodes = new Set([
  'validation_failed',
  'unused_setting',
  'conflicting_parameter',
  'duplicate_key',
  'invalid_id',
])

/** Runs one command line and gives its exit code. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args
  try {
    const command = commands.find((each) => each.name === name)
    if (command !== undefined) return await runCommand(command, rest)
    const program = createProgram(commands)
    if (name === 'help') program.outputHelp()
    else inOneLine(() => program.parse(args, { from: 'user' }))
    return exitCodes.done
  } catch (error) {
    return (error as { exitCode?: number }).exitCode === exitCodes.done ? exitCodes.done : tellError(error)
  }
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const flags = await import('./flags.ts')
  const schema = await command.schema?.()
  const settings = schema ? flags.flagsOfSettings(schema, command.without) : []
  const asked = args.slice(0, args.includes('--') ? args.indexOf('--') : args.length)
  const wantsAll = asked.includes('--help-all')
  const wantsHelp = wantsAll || asked.includes('--help') || asked.includes('-h')
  const program = describeCommand(createProgram(commands), command, settings, wantsHelp && !wantsAll)
  if (wantsHelp) {
    program.outputHelp()
    return exitCodes.done
  }
  const all = [...command.own, ...settings]
  const given = readArguments(args, all, program)
  const own = new Map([...given.flags].filter(([name]) => command.own.some((flag) => flag.name === name)))
  const isQuiet = own.has('quiet')
  const { createProgress } = await import('./progress.ts')
  const progress = createProgress(isQuiet ? null : terminal())
  const interrupt = listen()
  let isReading = false
  const call: Call = {
    commands,
    command,
    operands: given.operands,
    settings: flags.settingsOf(given, settings),
    text: (name) => own.get(name),
    isOn: (name) => own.has(name),
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
    print: interrupt.print,
    printJson: (document, indent = 0) =>
      interrupt.print(`${JSON.stringify(document, null, own.has('json') ? 0 : indent)}\n`),
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
  }
}

function tellError(error: unknown): number {
  const { code = 'internal_error', message } = error as { code?: string; message?: string }
  const isOurs = (error as Error).name === 'DeepWatchError'
  const detail = message ?? String(error)
  const line = detail.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  process.stderr.write(`deepwatch: ${isOurs ? code : 'internal_error'}: ${line}\n`)
  return usageCodes.has(code) ? exitCodes.usage : exitCodes.failed
}
