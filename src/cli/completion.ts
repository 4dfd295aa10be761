/** `deepwatch completion`: a script for a shell, made from the table of commands and the settings' schemas. */
import { didYouMean } from '../nearest.ts'
import type { Call, Command } from './command.ts'
import type { Flag } from './flag.ts'
import { flagsOfSettings } from './flags.ts'
import { show, wrong } from './usage.ts'

interface Completed {
  readonly command: Command
  readonly flags: readonly Flag[]
  readonly words: readonly string[]
}

const words: Readonly<Record<string, readonly string[]>> = {
  models: ['show', 'serve', 'rm'],
  jobs: ['show', 'result', 'cancel'],
  completion: ['bash', 'zsh', 'fish'],
}

const shells: Readonly<Record<string, (all: readonly Completed[]) => string>> = { bash, zsh, fish }

export async function run(call: Call): Promise<number> {
  const shell = call.operands.join(' ')
  const script = Object.hasOwn(shells, shell) ? shells[shell] : undefined
  const near = didYouMean(shell, Object.keys(shells))
  if (!script) throw wrong(`completion knows bash, zsh and fish, not ${show(shell)}${near}.`)
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

function bash(all: readonly Completed[]): string {
  const flags = all.flatMap((each) => each.flags).filter(({ hint }) => hint !== '')
  const values = [...new Map(flags.map((flag) => [flag.name, flag.choices]))].map(([name, choices]) => {
    const source = choices.length > 0 ? `-W '${choices.join(' ')}'` : '-f'
    return `    --${name}) COMPREPLY=($(compgen ${source} -- "$word")); return ;;`
  })
  const cases = all.map(({ command, flags, words }) => {
    const spelled = ['help', 'help-all', ...flags.map(({ name }) => name)].map((name) => `--${name}`)
    return `    ${command.name}) flags='${spelled.join(' ')}' words='${words.join(' ')}' ;;`
  })
  return `# bash completion of deepwatch: source <(deepwatch completion bash)
_deepwatch() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} flags='' words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${all.map(({ command }) => command.name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case $before in
${values.join('\n')}
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
    .replaceAll(/[[\]:\\\s]+/g, ' ')
    .trim()

function zsh(all: readonly Completed[]): string {
  const oneOf = (choices: readonly string[]) => (choices.length > 0 ? `(${choices.join(' ')})` : '_files')
  const argument = ({ name, hint, about, choices }: Flag) =>
    `        '--${name}[${tame(about)}]${hint === '' ? '' : `:${name}:${oneOf(choices)}`}'`
  const cases = all.map(
    ({ command, flags, words }) => `    ${command.name})
      _arguments '--help[short help]' '--help-all[every flag]' \\
${[...flags.map(argument), `        '*:operand:${oneOf(words)}'`].join(' \\\n')}
      ;;`,
  )
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
      ...flags.map(({ name, hint, about, choices }) => {
        const values = choices.length > 0 ? ` -f -a '${choices.join(' ')}'` : ''
        return `${inside} -l ${name}${hint === '' ? '' : ` -r${values}`} -d '${tame(about)}'`
      }),
    ]
  })
  return `# fish completion of deepwatch: deepwatch completion fish | source\n${lines.join('\n')}\n`
}
