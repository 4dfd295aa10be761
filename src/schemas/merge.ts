/** Settings may stand in the query, the JSON body or the multipart part `config`; here they become one. */
import { isDeepStrictEqual } from 'node:util'
import type { ZodError, z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { parseJson } from '../json/index.ts'
import { didYouMean, nearest } from '../nearest.ts'
import { describeUnknown } from './near-miss.ts'
import { areRows } from './source.ts'

type Settings = Readonly<Record<string, unknown>>
type Query = Readonly<Record<string, string | string[]>>

/**
 * Merges the settings of a query with those of a body and checks them against `schema`.
 *
 * In a query a value is taken as it stands where the schema takes it, and as JSON text otherwise.
 * Throws `duplicate_key` for a repeated query key, `conflicting_parameter` where query and body give
 * different values, `invalid_id` for a text that cannot be a model, and `validation_failed` otherwise.
 */
export function mergeSettings<S extends z.ZodObject>(schema: S, query: Query, body: Settings): z.infer<S> {
  return checkSettings(schema, Object.keys(query).length > 0 ? addQuery(schema, query, body) : body)
}

function addQuery(schema: z.ZodObject, query: Query, body: Settings): Settings {
  // Without a prototype, so that a key `__proto__` of the query is one, and refused as such.
  const merged: Record<string, unknown> = Object.assign(Object.create(null), body)
  for (const [key, text] of Object.entries(query)) {
    if (Array.isArray(text))
      throw new DeepWatchError('duplicate_key', `The query gives ${quoteKey(key)} more than once.`)
    const value = readQueryValue(schema, key, text)
    if (Object.hasOwn(merged, key) && !isDeepStrictEqual(merged[key], value)) {
      const detail = `The query and the body give different values for ${quoteKey(key)}.`
      throw new DeepWatchError('conflicting_parameter', detail, { facts: { parameter: key.slice(0, 100) } })
    }
    merged[key] = value
  }
  return merged
}

function checkSettings<S extends z.ZodObject>(schema: S, merged: Settings): z.infer<S> {
  const before = recall(schema, merged)
  if (before) return before as z.infer<S>
  const parsed = schema.safeParse(merged, { error: describeIssue })
  if (parsed.success) {
    remember(schema, merged, parsed.data)
    return parsed.data
  }
  if (typeof merged['model'] === 'string' && parsed.error.issues.some((issue) => issue.path[0] === 'model')) {
    const detail = 'model: a name is up to 63 of a-z, 0-9, _ and -, and starts with a letter or digit.'
    throw new DeepWatchError('invalid_id', detail)
  }
  throw settingsError(parsed.error, schema)
}

/**
 * Settings that were checked before, by schema and text. Live requests differ in nothing but their rows, and checking the
 * rest again and again costs more than scoring a row.
 */
const checked = new WeakMap<z.ZodObject, Map<string, Settings>>()
const maxChecked = 256
const longestChecked = 1024

/** What settings are known by: everything but the rows, in their order. Names and texts carry their lengths, so that no two settings are known by the same. */
function textOf(settings: Settings): string {
  let text = ''
  for (const key in settings) {
    const value = settings[key]
    if (key === 'rows') text += 'rows '
    // Most live requests have a model and rows.
    else if (typeof value === 'string') text += `${key.length} ${key}=${value.length} ${value}`
    else text += `${key.length} ${key}:${JSON.stringify(value)} `
  }
  return text
}

/** The checked settings, when all but the rows was found good before and the rows are rows; otherwise null. */
function recall(schema: z.ZodObject, given: Settings): Settings | null {
  const known = checked.get(schema)
  if (!known) return null
  const rows = given['rows']
  if (rows !== undefined && !areRows(rows)) return null
  const found = known.get(textOf(given))
  if (!found) return null
  // `rows` keeps its place among the keys: settings are digested in their order.
  return rows === undefined ? { ...found } : { ...found, rows }
}

function remember(schema: z.ZodObject, given: Settings, data: Settings): void {
  const text = textOf(given)
  if (text.length > longestChecked) return
  const known = checked.get(schema) ?? new Map<string, Settings>()
  if (known.size >= maxChecked) known.clear()
  checked.set(schema, known.set(text, data['rows'] === undefined ? data : { ...data, rows: undefined }))
}

function readQueryValue(schema: z.ZodObject, key: string, text: string): unknown {
  const shape: Record<string, z.ZodType> = schema.shape
  const member = Object.hasOwn(shape, key) ? shape[key] : undefined
  if (!member || member.safeParse(text).success) return text
  try {
    return parseJson(Buffer.from(text))
  } catch (error) {
    if (error instanceof DeepWatchError && error.code === 'malformed_json') return text
    throw error
  }
}

const quoteKey = (key: string) => JSON.stringify(key.slice(0, 100))

/** `validation_failed` naming each setting that is wrong, at most ten. */
export function settingsError(error: ZodError, schema: z.ZodType): DeepWatchError {
  const found = error.issues.slice(0, maxIssues).flatMap((issue) => explain(innermost(issue), schema))
  const issues = found.slice(0, maxIssues).map(({ at, message }) => {
    return { at: at.map(showStep).join('.').slice(0, 200), message }
  })
  const [first] = issues
  const detail = first ? `${first.at || 'The settings'}: ${first.message}.` : 'A setting is not valid.'
  return new DeepWatchError('validation_failed', detail, { facts: { issues } })
}

/** A step to a setting as a person may read it: a key from outside can hold anything. */
function showStep(step: PropertyKey): string {
  const text = String(step)
  return /^[\w-]+$/.test(text) ? text : JSON.stringify(text.slice(0, 100))
}

type Issue = ZodError['issues'][number]

const maxIssues = 10

/** An issue by the setting it is about; one for each setting that is not known. */
function explain(issue: Issue, schema: z.ZodType): { at: PropertyKey[]; message: string }[] {
  const { path, message } = issue
  if (issue.code !== 'unrecognized_keys') return [{ at: path, message }]
  return issue.keys
    .slice(0, maxIssues)
    .map((key) => ({ at: [...path, key], message: describeUnknown(schema, path, key) }))
}

/** What is wrong inside the form that was meant, where one of several was; otherwise what each form asks for. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const unknown = (form: readonly Issue[]) =>
    form.flatMap((inner) => (inner.code === 'unrecognized_keys' ? inner.keys : [])).length
  // A form was meant when everything wrong with it is about its members.
  const [meant] = issue.errors
    .filter((form) => form.length > 0 && form.every((inner) => inner.path.length > 0 || unknown([inner]) > 0))
    .sort((a, b) => unknown(a) - unknown(b))
  const inner = meant?.find((each) => each.code === 'unrecognized_keys') ?? meant?.[0]
  if (inner) return innermost({ ...inner, path: [...issue.path, ...inner.path] })
  const asked = [...new Set(issue.errors.flatMap((form) => form.slice(0, 1).map(({ message }) => message)))]
  const message = asked.map((each, place) => (place === 0 ? each : each.replace(/^must be /, ''))).join(', or ')
  return { ...issue, message: message === '' ? issue.message : message }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}
const units: Readonly<Record<string, string>> = { string: ' characters', array: ' items' }

/** An issue in our words; a schema that brings words of its own keeps them. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is needed'
      return `must be ${issue.expected === 'object' ? anObject(issue) : (kinds[issue.expected] ?? issue.expected)}`
    case 'invalid_value':
      return mustBe(issue.values, issue.input)
    case 'invalid_union':
      return isUnnamed(issue) ? mustBe(issue.options, memberOf(issue.input, issue.discriminator)) : 'is not valid'
    case 'too_small':
      return `must ${units[issue.origin] ? 'have' : 'be'} ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${units[issue.origin] ?? ''}`
    case 'too_big':
      return `must ${units[issue.origin] ? 'have' : 'be'} ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${units[issue.origin] ?? ''}`
    case 'unrecognized_keys':
      return 'is not a setting here'
    default:
      return 'is not valid'
  }
}

/** A choice between objects by a member that names none of them. */
const isUnnamed = (
  issue: z.core.$ZodRawIssue,
): issue is z.core.$ZodRawIssue & { options: readonly unknown[]; discriminator: string } =>
  'discriminator' in issue && Array.isArray(issue['options'])

const memberOf = (input: unknown, key: string): unknown => (input as Record<string, unknown> | null)?.[key]

function mustBe(values: readonly unknown[], given: unknown): string {
  const near = typeof given === 'string' ? didYouMean(given, values.map(String)) : ''
  return `must be ${values.map((value) => JSON.stringify(value)).join(' or ')}${near}`
}

/** An object as the schema wants it, by its first member that is needed. */
function anObject({ inst, input }: z.core.$ZodRawIssue): string {
  const { shape, discriminator, options } = (inst as unknown as { _zod: { def: ObjectDefinition } })._zod.def
  if (discriminator !== undefined) {
    const names = (options ?? []).flatMap((option) => [...(option._zod.propValues?.[discriminator] ?? [])].map(String))
    const near = typeof input === 'string' ? nearest(input, names) : null
    return `an object such as {"${discriminator}": ${JSON.stringify(near ?? names[0] ?? '')}}`
  }
  const keys = Object.keys(shape ?? {})
  const key = keys.find((each) => shape![each]!._zod.optin !== 'optional') ?? keys[0]
  return key === undefined ? 'an object' : `an object such as {"${key}": …}`
}

/** What an object, or a choice between objects, is made of. */
interface ObjectDefinition {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly discriminator?: string
  readonly options?: readonly z.core.$ZodType[]
}
