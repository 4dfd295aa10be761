/** Help that fits a screen: 24 lines of 80 columns for a command, however many settings it has. */
import { software } from '../software.ts'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import type { Flag } from './flag.ts'

const lines = 24
const columns = 80
/** What most commands have comes last. */
const common = new Set(['home', 'json', 'quiet'])

/** The list of commands. */
export function overview(): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`)
  return [
    `deepwatch ${software.version}: anomaly detection for infrastructure telemetry`,
    '',
    ...rows,
    '',
    'deepwatch COMMAND --help shows one with an example, --help-all every flag.',
    'A FILE may be Parquet, CSV, NDJSON or Arrow; - is standard input.',
    'From a file to a report:',
    '',
    '  deepwatch run fleet.parquet --out out --label label --entity host',
    '',
  ].join('\n')
}

/** The short help of a command. `settings` are the flags of its schema. */
export function shortHelp(command: Command, settings: readonly Flag[]): string {
  const explained = (command.explained ?? []).flatMap((name) => settings.filter((flag) => flag.name === name))
  const told = [
    ...command.own.filter(({ name }) => !common.has(name)),
    ...explained,
    ...command.own.filter(({ name }) => common.has(name)),
  ]
  const others = settings.filter((flag) => !told.includes(flag)).map(spell)
  const head = headOf(command)
  const tail = ['', 'Example:', `  ${command.example}`].slice(told.length > 0 ? 0 : 1)
  const width = Math.min(26, Math.max(...told.map((flag) => spell(flag).length), 0))
  const rows = told.map((flag) => row(flag, width))
  const also =
    others.length === 0 ? [] : wrap(`Also: ${others.join(', ')}`, lines - head.length - tail.length - rows.length - 1)
  return [...head, ...rows, ...(also.length > 0 ? ['', ...also] : []), ...tail, ''].join('\n')
}

/** Every flag with all that its setting says of itself. */
export function longHelp(command: Command, settings: readonly Flag[]): string {
  const body = [...command.own, ...settings].flatMap((flag) => [
    `  ${spell(flag)}`,
    ...wrap(flag.about, Number.POSITIVE_INFINITY, 6).map((line) => `      ${line}`),
  ])
  return [...headOf(command), ...body, '', 'Example:', `  ${command.example}`, ''].join('\n')
}

function headOf({ name, operands, summary }: Command): string[] {
  return [`deepwatch ${name} ${operands}`.trimEnd(), `  ${summary[0]!.toUpperCase()}${summary.slice(1)}.`, '']
}

const spell = (flag: Flag) =>
  flag.hint === ''
    ? `--${flag.choices.length > 0 ? '[no-]' : ''}${flag.name}`
    : `--${flag.name} ${shortHint(flag.hint, flag.name)}`

/** Choices that would fill the line are told beside it instead. */
const isLong = (hint: string) => hint.length > 22
const shortHint = (hint: string, name: string) => (isLong(hint) ? name.split('-').at(-1)!.toUpperCase() : hint)

function row(flag: Flag, width: number): string {
  const spelled = spell(flag)
  const room = columns - 4 - Math.max(width, spelled.length)
  return `  ${spelled.padEnd(width)}  ${clip(isLong(flag.hint) ? `${flag.choices.join(', ')}. ${flag.about}` : flag.about, room)}`.trimEnd()
}

/** The first part of a sentence that fits. */
function clip(text: string, room: number): string {
  if (text.length <= room) return text
  const parts = text.split(/(?<=[;:.]) /)
  let fitting = ''
  for (const part of parts) {
    if (`${fitting} ${part}`.trim().length > room) break
    fitting = `${fitting} ${part}`.trim()
  }
  if (fitting !== '') return fitting.replace(/[;:]$/, '.')
  return `${text.slice(0, room - 1).replace(/ \S*$/, '')}…`
}

function wrap(text: string, most: number, indent = 2): string[] {
  const wrapped: string[] = []
  let line = ''
  for (const word of text.split(/(?<=,) | (?=--)/).flatMap((part) => (indent === 2 ? [part] : part.split(' ')))) {
    if (line !== '' && `${line} ${word}`.length > columns - indent) {
      wrapped.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') wrapped.push(line)
  if (wrapped.length <= most) return wrapped
  const kept = wrapped.slice(0, Math.max(1, most))
  return [
    ...kept.slice(0, -1),
    `${kept
      .at(-1)!
      .slice(0, columns - 24)
      .replace(/,[^,]*$/, '')}, … (--help-all)`,
  ]
}
