/** The command line as commander reads it: a command per row of the table, an option per flag of the one that is called. */
import { Command as Commander, CommanderError, Option } from 'commander'
import { software } from '../software.ts'
import type { Command } from './command.ts'
import { camelCase, type Flag } from './flag.ts'
import { conflicting, wrong } from './usage.ts'

/** What was given to a command: texts of flags by name, and what is no flag. */
export interface Given {
  readonly flags: ReadonlyMap<string, string>
  readonly operands: readonly string[]
}

const columns = 80
/** What most commands have comes last. */
const common = new Set(['server', 'token', 'home', 'json', 'quiet'])
const overviewEnd = `
deepwatch COMMAND --help shows one with an example, --help-all every flag.
A FILE may be Parquet, CSV, NDJSON or Arrow; - is standard input.
From a file to a report: deepwatch run web.parquet --out out --label label`

/** Throws instead of ending the process. */
const quiet = (name = '') => new Commander(name).exitOverride().configureOutput({ writeErr: () => {} })

/** Knows every command by its name, and nothing of their flags. Prints help on standard output, and nothing else anywhere. */
export function createProgram(commands: readonly Command[]): Commander {
  const program = quiet('deepwatch')
    .usage('COMMAND')
    .description(`Anomaly detection for infrastructure telemetry, version ${software.version}.`)
    .version(software.version, '--version', 'The version.')
    .helpOption('-h, --help', 'This text.')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureHelp({ helpWidth: columns, subcommandTerm: (command) => command.name() })
    .addHelpText('after', overviewEnd)
  for (const { name, summary } of commands) program.command(name).description(summary)
  return program
}

/** Gives a command its flags and its help: every flag, or in short those that it explains, on one screen. */
export function describeCommand(
  program: Commander,
  { name, operands, summary, own, example, explained = [] }: Command,
  settings: readonly Flag[],
  isShort: boolean,
): Commander {
  const flags = [...own, ...settings]
  const described = addFlags(program.commands.find((each) => each.name() === name)!, flags)
    .usage(operands)
    .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`)
    .option('--help-all', 'Every flag.')
    .addHelpText('after', `${isShort && settings.length > 0 ? 'Every flag: --help-all\n' : ''}\nExample:\n  ${example}`)
  const flagOf = (option: Option) => flags.find((flag) => `--${flag.name}` === option.long)
  const term = (option: Option) => termOf(option, flagOf(option))
  described.configureHelp({ helpWidth: columns, minWidthToWrap: 20, optionTerm: term })
  if (!isShort) return described
  const told = [
    ...own.filter((flag) => !common.has(flag.name)),
    ...explained.flatMap((each) => settings.filter((flag) => flag.name === each)),
    ...own.filter((flag) => common.has(flag.name)),
  ].map((flag) => described.options.find(({ long }) => long === `--${flag.name}`)!)
  const room = columns - 4 - Math.max(...told.map((option) => term(option).length))
  return described.configureHelp({
    helpWidth: columns,
    optionTerm: term,
    visibleOptions: () => told,
    optionDescription: ({ description }) => firstWords(description, room),
  })
}

function termOf({ flags }: Option, flag: Flag | undefined): string {
  if (flag === undefined) return flags
  if (flag.hint === '') return `--${isDeniable(flag) ? '[no-]' : ''}${flag.name}`
  return `--${flag.name} ${isLong(flag.hint) ? flag.name.split('-').at(-1)!.toUpperCase() : flag.hint}`
}

/** A setting that is a switch may be switched off, too. */
const isDeniable = (flag: Flag) => flag.hint === '' && flag.choices.length > 0

/** Choices that would fill the line are told beside it instead. */
const isLong = (hint: string) => hint.length > 22

function firstWords(text: string, room: number): string {
  if (text.length <= room) return text
  const [sentence = ''] = text.split(/(?<=[;:.]) /)
  const fitting = sentence.replace(/[;:]$/, '.')
  return fitting.length <= room ? fitting : `${fitting.slice(0, room - 1).replace(/ \S*$/, '')}…`
}

/** An option per flag, and one more for the negative of a setting that is a switch. What follows no flag is an operand. */
function addFlags(command: Commander, flags: readonly Flag[]): Commander {
  for (const flag of flags) {
    const { name, hint } = flag
    const about = isLong(hint) ? `${flag.choices.join(', ')}. ${flag.about}` : flag.about
    const option = (flags: string) => new Option(flags, about).argParser(once(name))
    // A value that is missing is told by `givenTo`: what commander requires, it also takes from the next flag.
    command.addOption(hint === '' ? option(`--${name}`).preset('true') : option(`--${name} [${hint}]`))
    if (isDeniable(flag)) command.addOption(option(`--no-${name}`).preset('false').hideHelp())
  }
  return command.allowExcessArguments()
}

/** A flag may be repeated, but not with another value. */
const once = (name: string) => (value: string, before: string | undefined) => {
  if (before === undefined || before === value) return value
  throw conflicting(`--${name} is given twice with different values.`)
}

/**
 * Reads `--flag value`, `--flag=value`, `--no-flag` of a switch; `--` ends the flags, `-` is an operand. Errors: `validation_failed`
 * for a flag that is not known or lacks its value, `conflicting_parameter` for one that comes twice.
 */
export function readArguments(
  args: readonly string[],
  flags: readonly Flag[],
  command = addFlags(quiet(), flags),
): Given {
  inOneLine(() => command.parse(withPlainSwitches(args, flags), { from: 'user' }))
  const given = new Map<string, string>()
  for (const [key, value] of Object.entries(command.opts<Record<string, string | true>>())) {
    const { name, hint } = flags.find((flag) => camelCase(flag.name) === key)!
    if (value === true) throw wrong(`--${name} needs a value (${hint}); one that begins with - is written --${name}=…`)
    given.set(name, value)
  }
  return { flags: given, operands: command.args }
}

/** `--flag=true` and `--flag=false` of a switch in commander's spelling, which gives switches no value. */
function withPlainSwitches(args: readonly string[], flags: readonly Flag[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  return args.map((arg, at) => {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? []
    if (at >= end || !flags.some((flag) => flag.name === name && isDeniable(flag))) return arg
    if (value !== 'true' && value !== 'false') throw wrong(`--${name}: must be true or false.`)
    return value === 'true' ? `--${name}` : `--no-${name}`
  })
}

/** Does what commander may refuse. Errors: `validation_failed`, for whatever it says. */
export function inOneLine<Result>(use: () => Result): Result {
  try {
    return use()
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode === 0) throw error
    const text = error.message.replace(/^error: /, '').replace(/\s*\(Did you mean (.+)\?\)$/s, '; did you mean $1?')
    const isLost = error.code === 'commander.unknownCommand' && !text.endsWith('?')
    throw wrong(isLost ? `${text}; see deepwatch --help` : text)
  }
}
