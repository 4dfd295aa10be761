/** `deepwatch completion`: a script for a shell, made from the table of commands and the settings' schemas. */
import { DeepWatchError } from '../errors.ts'
import type { Call, Command } from './command.ts'
import type { Flag } from './flag.ts'
import { flagsOfSettings } from './flags.ts'
import { show } from './output.ts'

interface Completed {
  readonly command: Command
  readonly flags: readonly Flag[]
  /** Words that may follow the name. */
  readonly words: readonly string[]
}

const words: Readonly<Record<string, readonly string[]>> = {
  models: ['show', 'serve', 'rm'],
  jobs: ['show', 'result', 'cancel'],
  completion: ['bash', 'zsh', 'fish'],
}

const shells: Readonly<Record<string, (all: readonly Completed[]) => string>> = { bash, zsh, fish }

export async function run(call: Call): Promise<number> {
  const [shell = '', ...more] = call.operands
  const script = Object.hasOwn(shells, shell) && more.length === 0 ? shells[shell] : undefined
  if (!script)
    throw new DeepWatchError(
      'validation_failed',
      `completion knows bash, zsh and fish, not ${show(call.operands.join(' '))}.`,
    )
  const all = await Promise.all(
    call.commands.map(async (command): Promise<Completed> => {
      const schema = await command.schema?.()
      const settings = schema ? flagsOfSettings(schema, command.without) : []
      return { command, flags: [...command.own, ...settings], words: words[command.name] ?? [] }
    }),
  )
  await call.print(script(all))
  return 0
}

const names = (all: readonly Completed[]) => all.map(({ command }) => command.name).join(' ')
const spelled = ({ flags }: Completed) => ['--help', '--help-all', ...flags.map(({ name }) => `--${name}`)].join(' ')

function bash(all: readonly Completed[]): string {
  const choices = new Map(
    all
      .flatMap(({ flags }) => flags.filter((flag) => flag.hint !== '' && flag.choices.length > 0))
      .map((flag) => [flag.name, flag.choices]),
  )
  const values = [...choices].map(
    ([name, values]) => `    --${name}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$word")); return ;;`,
  )
  const plain = [
    ...new Set(
      all
        .flatMap(({ flags }) => flags)
        .filter((flag) => flag.hint !== '' && !choices.has(flag.name))
        .map(({ name }) => `--${name}`),
    ),
  ]
  const cases = all.map(
    (each) => `    ${each.command.name}) flags='${spelled(each)}' words='${each.words.join(' ')}' ;;`,
  )
  return `# bash completion of deepwatch: source <(deepwatch completion bash)
_deepwatch() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} flags='' words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names(all)} --help --version' -- "$word"))
    return
  fi
  case $before in
${values.join('\n')}
    ${plain.join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _deepwatch deepwatch
`
}

/** A text inside single quotes of a shell, without what would end them or mean something to zsh. */
const tame = (text: string) =>
  text
    .replaceAll("'", '')
    .replaceAll(/[[\]:\\]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()

function zsh(all: readonly Completed[]): string {
  const argument = (flag: Flag) => {
    const value =
      flag.hint === ''
        ? ''
        : `:${tame(flag.name)}:${flag.choices.length > 0 ? `(${flag.choices.join(' ')})` : '_files'}`
    return `        '--${flag.name}[${tame(flag.about)}]${value}'`
  }
  const cases = all.map((each) => {
    const rest = each.words.length > 0 ? `(${each.words.join(' ')})` : '_files'
    return `    ${each.command.name})
      _arguments '--help[short help]' '--help-all[every flag]' \\
${[...each.flags.map(argument), `        '*:operand:${rest}'`].join(' \\\n')}
      ;;`
  })
  return `#compdef deepwatch
# zsh completion of deepwatch: source <(deepwatch completion zsh)
_deepwatch() {
  if (( CURRENT == 2 )); then
    local -a commands
    commands=(
${all.map(({ command }) => `      '${command.name}:${tame(command.summary)}'`).join('\n')}
    )
    _describe 'command' commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _deepwatch deepwatch
`
}

function fish(all: readonly Completed[]): string {
  const lines = all.flatMap(({ command, flags, words }) => {
    const inside = `complete -c deepwatch -n '__fish_seen_subcommand_from ${command.name}'`
    return [
      `complete -c deepwatch -n __fish_use_subcommand -f -a ${command.name} -d '${tame(command.summary)}'`,
      ...(words.length > 0 ? [`${inside} -f -a '${words.join(' ')}'`] : []),
      ...flags.map((flag) => {
        const values = flag.choices.length > 0 ? ` -f -a '${flag.choices.join(' ')}'` : ''
        return `${inside} -l ${flag.name}${flag.hint === '' ? '' : ` -r${values}`} -d '${tame(flag.about)}'`
      }),
    ]
  })
  return `# fish completion of deepwatch: deepwatch completion fish | source\n${lines.join('\n')}\n`
}
