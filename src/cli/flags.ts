/** Flags for settings come from the schemas that the service checks with: a new setting is a flag by itself. */
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { mergeSettings } from '../schemas/index.ts'
import { type Flag, kebabCase, readScalar } from './flag.ts'
import type { Given } from './program.ts'
import { conflicting, wrong } from './usage.ts'

/** The part of a JSON schema that flags are made from. */
interface Node {
  readonly type?: string
  readonly format?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly items?: Node
  readonly properties?: Readonly<Record<string, Node>>
}

/** Telemetry is given as files instead. */
const isTelemetry = (key: string, { type }: Node) => key === 'source' || (key === 'rows' && type === 'array')

/** A flag per setting of a schema but those `without`, in its order; settings within settings get flags of their own. */
export function flagsOfSettings(schema: z.ZodObject, without: readonly string[] = []): Flag[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node
  const flags = Object.entries(properties)
    .filter(([key, node]) => !isTelemetry(key, node) && !without.includes(key))
    .flatMap(([key, node]) => [flagOf([key], node), ...innerFlags(key, node)])
  // Detectors share settings such as the seed: the first one describes it, the schema of the chosen one judges it.
  return [...new Map(flags.map((flag) => [flag.name, flag] as const).reverse()).values()].reverse()
}

function flagOf(path: readonly string[], node: Node): Flag {
  const forms = formsOf(node)
  return {
    name: kebabCase(path.at(-1)!),
    path,
    hint: hintOf(path.at(-1)!, forms),
    about: node.description ?? '',
    choices: forms.flatMap((form) => choicesOf(form)),
    read: (text) => readForm(path, forms, text),
  }
}

/** Members of an object setting, of the object forms of a setting, and of every detector. */
function innerFlags(key: string, node: Node): Flag[] {
  return formsOf(node)
    .filter((form) => form.properties !== undefined)
    .flatMap((form) => {
      const members = Object.entries(form.properties!)
      const isChoice = members.some(([, member]) => member.const !== undefined)
      const isOneOfForms = formsOf(node).length > 1
      return members
        .filter(([name, member]) => member.const === undefined && (isChoice || (name !== 'value' && isScalar(member))))
        .map(([name, member]) => {
          const flag = flagOf([key, name], member)
          return isOneOfForms || isChoice ? flag : { ...flag, name: kebabCase(`${key}-${name}`) }
        })
        .map((flag) => (flag.about === '' ? { ...flag, about: node.description ?? '' } : flag))
    })
}

const formsOf = (node: Node): readonly Node[] =>
  (node.anyOf ?? node.oneOf ?? [node]).flatMap((form) => (form.anyOf || form.oneOf ? formsOf(form) : [form]))

const isScalar = (node: Node) => formsOf(node).every(({ type }) => type !== 'object' && type !== 'array')

function choicesOf(form: Node): readonly string[] {
  if (form.type === 'boolean') return ['true', 'false']
  if (form.enum) return form.enum.map(String)
  if (form.const !== undefined) return [String(form.const)]
  if (form.items) return choicesOf(form.items)
  const type = form.properties?.['type']?.const
  return type === undefined ? [] : [String(type)]
}

function hintOf(key: string, forms: readonly Node[]): string {
  if (forms.length === 1 && forms[0]!.type === 'boolean') return ''
  const hints = forms.flatMap((form) => {
    const choices = choicesOf(form)
    if (choices.length > 0) return [choices.join(form.items ? ',' : '|')]
    if (form.type === 'integer' || form.type === 'number' || form.properties?.['value']) return ['N']
    if (form.type === 'array') return ['a,b']
    if (form.type === 'object') return forms.length === 1 ? ['JSON'] : []
    if (form.type === 'null') return []
    return [form.format === 'date-time' ? 'TIME' : kebabCase(key).split('-').at(-1)!.toUpperCase()]
  })
  return [...new Set(hints)].join('|')
}

function readForm(path: readonly string[], forms: readonly Node[], text: string): unknown {
  if (forms.some((form) => form.const === text)) return text
  if (/^[[{]/.test(text)) return readJson(text)
  // A choice between objects is made by the name of their type.
  if (forms.some((form) => form.properties?.['type']?.const !== undefined)) {
    const types = forms.flatMap((form) => choicesOf(form))
    if (types.includes(text)) return { type: text }
    const detail = `--${kebabCase(path.at(-1)!)}: must be ${types.join(' or ')}, not ${JSON.stringify(text.slice(0, 60))}${didYouMean(text, types)}.`
    throw wrong(detail)
  }
  const types = forms.map(({ type }) => type)
  if (types.includes('null') && text === 'null') return null
  if (types.includes('array')) return text === '' ? [] : text.split(',')
  const scalar = readScalar(text)
  if (typeof scalar === 'number' && forms.some((form) => form.properties?.['value'])) return { value: scalar }
  if (types.includes('string') && !types.includes('number') && !types.includes('integer')) return text
  return scalar
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The settings that these flags stand for, unchecked. Errors: `conflicting_parameter`, `validation_failed`. */
export function settingsOf(given: Given, flags: readonly Flag[]): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  const owner = new Map<string, string>()
  for (const flag of flags) {
    const value = given.flags.get(flag.name)
    if (value === undefined) continue
    const [key, member] = flag.path as [string, string?]
    const read = flag.read(value)
    const before = settings[key]
    if (member === undefined) {
      settings[key] = read
      owner.set(key, flag.name)
    } else if (before === undefined || isPlain(before)) {
      const plain = (before ?? {}) as Record<string, unknown>
      const other = owner.get(key)
      if (Object.hasOwn(plain, member) || (other !== undefined && Object.hasOwn(plain, 'value')))
        throw twice(other ?? flag.name, flag.name)
      settings[key] = { ...plain, [member]: read }
      owner.set(key, owner.get(key) ?? flag.name)
    } else throw twice(owner.get(key)!, flag.name)
  }
  return settings
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const twice = (one: string, other: string) => conflicting(`--${one} and --${other} say the same in two ways.`)

/** Checks settings as the service does. Errors: those of `mergeSettings`, naming flags instead of settings. */
export function checkSettings<S extends z.ZodObject>(
  schema: S,
  settings: Readonly<Record<string, unknown>>,
  flags: readonly Flag[],
): z.infer<S> {
  try {
    return mergeSettings(schema, {}, settings)
  } catch (error) {
    throw inFlags(error, flags)
  }
}

/** The same error, its setting spelled as the flag it comes from; anything but an error of ours stays what it is. */
export function inFlags(error: unknown, flags: readonly Flag[]): unknown {
  if (!(error instanceof DeepWatchError)) return error
  const [, at, rest] = /^([\w.]+): (.*)$/s.exec(error.message) ?? []
  if (at === undefined) return error
  const path = at.split('.')
  const flag =
    flags.find((each) => each.path.join('.') === path.slice(0, each.path.length).join('.') && each.path.length > 1) ??
    flags.find((each) => each.path[0] === path[0])
  return flag ? new DeepWatchError(error.code, `--${flag.name}: ${rest}`, { facts: error.facts }) : error
}
