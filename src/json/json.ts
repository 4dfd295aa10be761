import { isUtf8 } from 'node:buffer'
import { DeepWatchError } from '../errors.ts'

/** Containers inside containers that a JSON text may have. */
const MAX_LEVELS = 32

const BYTE_ORDER_MARK = Buffer.from('\ufeff')
const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]

interface Findings {
  keys: number
  /** A key reaches for a prototype. */
  poisoned: boolean
  /** A number that overflowed or a string that is not well-formed Unicode. */
  unfit: boolean
}

/**
 * The value of a JSON text from outside, as `JSON.parse` gives it, but strictly: UTF-8 (a byte order
 * mark may stand first), at most 32 levels deep, no key twice in one object, no key that reaches for a prototype.
 * With `bareWords` a bare NaN or Infinity, which is no JSON but is what Python writes, becomes a string.
 *
 * Throws 'malformed_json', 'duplicate_key' (facts: `key`, `pointer` of its object), or 'validation_failed' (facts: `pointer`)
 * for a number that overflows and for a lone surrogate, which could not be stored or sent on. Pointers are RFC 6901.
 */
export function parseJson(bytes: Buffer, { bareWords = false } = {}): unknown {
  const body = bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes
  if (body.length === 0) throw malformed('The body is empty; JSON was expected.')
  if (!isUtf8(body)) throw malformed('The JSON text is not valid UTF-8.')
  // Before V8 sees the text: the depth of a long one would cost it seconds and hundreds of MiB.
  const keysWritten = countKeys(body)
  const value = parse(body, bareWords)
  const surrogates = body.includes(BACKSLASH) && (body.includes('\\ud') || body.includes('\\uD'))
  const found: Findings = { keys: 0, poisoned: false, unfit: false }
  walk(value, found, surrogates)
  if (found.poisoned) throw malformed('The JSON text has a key __proto__ or constructor.prototype.')
  // Of two keys of one name `JSON.parse` keeps one.
  if (keysWritten !== found.keys) refuseDuplicate(body)
  if (found.unfit) refuseUnfit(value)
  return value
}

function malformed(detail: string): DeepWatchError {
  return new DeepWatchError('malformed_json', detail)
}

/** A bare NaN or Infinity, as Python writes them; strings are matched to be passed over. */
const bareWord = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)\b/g

function parse(body: Buffer, bareWords: boolean): unknown {
  const text = body.toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    const quoted = text.replaceAll(bareWord, (found) => (found.startsWith('"') ? found : `"${found}"`))
    if (quoted !== text) {
      if (bareWords) return parse(Buffer.from(quoted), false)
      throw malformed('NaN and Infinity are no JSON; write null for a missing value.')
    }
    // V8 quotes the text in its message, so only the number is taken from it.
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined
    const place = position === undefined ? '' : ` near character ${position}`
    throw malformed(`The text is not valid JSON${place}.`)
  }
}

/** Keys as written, duplicates counted: in valid JSON the colons outside strings. Reads any bytes; throws when the nesting is too deep. */
function countKeys(body: Buffer): number {
  let keys = 0
  let depth = 0
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) at = endOfString(body, at)
    else if (byte === COLON) keys++
    else if (byte === OBJECT || byte === LIST) depth++
    else if (byte === OBJECT_END || byte === LIST_END) depth--
    if (depth > MAX_LEVELS) throw malformed(`The JSON text is nested deeper than ${MAX_LEVELS} levels.`)
  }
  return keys
}

/** The place of the quote that closes the string begun at `start`; the end of the text when nothing closes it. */
function endOfString(body: Buffer, start: number): number {
  let at = start + 1
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1
  return at
}

/** Looks at every key and value. @param surrogates whether the text may hold a lone one */
function walk(value: unknown, found: Findings, surrogates: boolean): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) found.unfit = true
  } else if (typeof value === 'string') {
    if (surrogates && !isWellFormed(value)) found.unfit = true
  } else if (Array.isArray(value)) {
    for (const item of value) walk(item, found, surrogates)
  } else if (typeof value === 'object' && value !== null)
    walkMembers(value as Record<string, unknown>, found, surrogates)
}

function walkMembers(record: Record<string, unknown>, found: Findings, surrogates: boolean): void {
  for (const key in record) {
    found.keys++
    const item = record[key]
    if (key === '__proto__' || (key === 'constructor' && reachesPrototype(item))) found.poisoned = true
    if (surrogates && !isWellFormed(key)) found.unfit = true
    walk(item, found, surrogates)
  }
}

function reachesPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text)

/** An object or array that is open while the text is read: its keys so far, and where in it the reading is. */
interface Level {
  readonly keys: Set<string> | null
  place: string | number
}

/** Reads valid JSON to its first key given twice and throws; returns when there is none. */
function refuseDuplicate(body: Buffer): void {
  const levels: Level[] = []
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    const level = levels.at(-1)
    if (byte === QUOTE) {
      const start = at
      at = endOfString(body, at)
      if (level?.keys && isKey(body, at + 1)) addKey(body.toString('utf8', start, at + 1), level.keys, levels)
    } else if (byte === OBJECT) levels.push({ keys: new Set(), place: '' })
    else if (byte === LIST) levels.push({ keys: null, place: 0 })
    else if (byte === OBJECT_END || byte === LIST_END) levels.pop()
    else if (byte === COMMA && typeof level?.place === 'number') level.place++
  }
}

function addKey(written: string, keys: Set<string>, levels: readonly Level[]): void {
  const key = JSON.parse(written) as string
  if (keys.has(key)) throw duplicate(key, levels.slice(0, -1))
  keys.add(key)
  levels.at(-1)!.place = key
}

/** Whether the string that ended before `at` is followed by a colon. */
function isKey(body: Buffer, at: number): boolean {
  let next = at
  while (body[next] === 0x20 || body[next] === 0x0a || body[next] === 0x0d || body[next] === 0x09) next++
  return body[next] === COLON
}

function duplicate(key: string, levels: readonly Level[]): DeepWatchError {
  const pointer = toPointer(levels.map(({ place }) => place))
  const where = pointer === '' ? 'the JSON text' : pointer
  return new DeepWatchError('duplicate_key', `The key ${JSON.stringify(clip(key))} stands twice in ${where}.`, {
    facts: { key: clip(key), pointer },
  })
}

function refuseUnfit(value: unknown): never {
  const path: (string | number)[] = []
  const reason = findUnfit(value, path) ?? 'is not a value that can be used'
  const pointer = toPointer(path)
  throw new DeepWatchError('validation_failed', `The value at ${pointer || 'the top'} ${reason}.`, {
    facts: { pointer },
  })
}

/** Why the first unfit value is unfit; `path` then leads to it. */
function findUnfit(value: unknown, path: (string | number)[]): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'is a number too large for a double'
  if (typeof value === 'string') return isWellFormed(value) ? undefined : 'has a lone surrogate'
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, item] of Object.entries(value)) {
    path.push(Array.isArray(value) ? Number(key) : key)
    const reason = isWellFormed(key) ? findUnfit(item, path) : 'has a lone surrogate in its key'
    if (reason !== undefined) return reason
    path.pop()
  }
  return undefined
}

function toPointer(path: readonly (string | number)[]): string {
  return path.map((step) => `/${clip(String(step)).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** Keys come from outside and may be as long as the body; lone surrogates are shown as U+FFFD. */
function clip(key: string): string {
  const shown = key.length > 80 ? `${key.slice(0, 80)}…` : key
  return shown.replace(/\p{Surrogate}/gu, '\ufffd')
}
