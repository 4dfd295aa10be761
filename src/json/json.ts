import { isUtf8 } from 'node:buffer'
import { DeepWatchError } from '../errors.ts'

/** Containers inside containers that a JSON text may have. */
const MOST_LEVELS = 32
/** From this size on the depth is checked before V8 sees the text: 16 MiB of `[` cost it 7 s and 800 MiB. */
const SCAN_FIRST_BYTES = 64 * 1024

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

/** What one walk over a parsed value finds out. */
interface Findings {
  keys: number
  /** Colons inside string values; keys are left out, see `hasDuplicates`. */
  colons: number
  poisoned: boolean
  /** A number that overflowed or a string that is not well-formed Unicode. */
  unfit: boolean
}

/**
 * The value of a JSON text from outside, as `JSON.parse` gives it, but strictly: UTF-8 (a byte order
 * mark may stand first), at most 32 levels deep, no key twice in one object, no key that reaches for a prototype.
 *
 * Throws 'malformed_json', 'duplicate_key' (facts: `key`, `pointer` of its object), or 'validation_failed' (facts: `pointer`)
 * for a number that overflows and for a lone surrogate, which could not be stored or sent on. Pointers are RFC 6901.
 */
export function parseJson(bytes: Buffer): unknown {
  const body = hasByteOrderMark(bytes) ? bytes.subarray(3) : bytes
  if (body.length === 0) throw malformed('The body is empty; JSON was expected.')
  if (!isUtf8(body)) throw malformed('The JSON text is not valid UTF-8.')
  const escapes = body.includes(BACKSLASH)
  // Counting colons by words needs a walk over the strings afterwards; with escapes, which may hide
  // a colon, and for long texts, whose depth must be known first, every byte is looked at instead.
  const exact = escapes || body.length >= SCAN_FIRST_BYTES
  const colons = exact ? scan(body) : countColons(body)
  const value = parse(body)
  const surrogates = escapes && (body.includes('\\ud') || body.includes('\\uD'))
  const found: Findings = { keys: 0, colons: 0, poisoned: false, unfit: false }
  walk(value, 1, found, surrogates)
  if (found.poisoned) throw malformed('The JSON text has a key __proto__ or constructor.prototype.')
  if (colons !== found.keys + (exact ? 0 : found.colons)) refuseDuplicate(body)
  if (found.unfit) refuseUnfit(value)
  return value
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function malformed(detail: string): DeepWatchError {
  return new DeepWatchError('malformed_json', detail)
}

function tooDeep(): DeepWatchError {
  return malformed(`The JSON text is nested deeper than ${MOST_LEVELS} levels.`)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    // V8 quotes the text in its message, so only the number is taken from it.
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined
    const place = position === undefined ? '' : ` near character ${position}`
    throw malformed(`The text is not valid JSON${place}.`)
  }
}

/**
 * Colons outside strings, which in valid JSON are the keys as written, duplicates counted. Reads any
 * bytes; throws when the nesting is too deep.
 */
function scan(body: Buffer): number {
  const end = body.length
  let colons = 0
  let depth = 0
  for (let at = 0; at < end; at++) {
    const byte = body[at] as number
    if (byte === QUOTE) {
      for (at++; at < end; at++) {
        const inside = body[at]
        if (inside === QUOTE) break
        if (inside === BACKSLASH) at++
      }
    } else if (byte === COLON) colons++
    // `[` and `{`, `]` and `}` differ in one bit; the other bytes this folds together are not valid outside strings.
    else if ((byte | 0x20) === 0x7b) {
      if (++depth > MOST_LEVELS) throw tooDeep()
    } else if ((byte | 0x20) === 0x7d) depth--
  }
  return colons
}

/** Colons anywhere, four bytes a step: a byte of `zero` is 0x80 where the text has a colon. */
function countColons(body: Buffer): number {
  let colons = 0
  let at = 0
  for (; at < body.length && ((body.byteOffset + at) & 3) !== 0; at++) if (body[at] === COLON) colons++
  const words = new Int32Array(body.buffer, body.byteOffset + at, (body.length - at) >> 2)
  for (let word = 0; word < words.length; ) {
    // Four counters of one byte each, emptied before any can pass 255.
    const stop = Math.min(words.length, word + 255)
    let counters = 0
    for (; word < stop; word++) {
      const other = (words[word] as number) ^ 0x3a3a3a3a
      const zero = ~(((other & 0x7f7f7f7f) + 0x7f7f7f7f) | other)
      counters = (counters + ((zero >>> 7) & 0x01010101)) | 0
    }
    colons += (counters & 255) + ((counters >>> 8) & 255) + ((counters >>> 16) & 255) + (counters >>> 24)
  }
  for (at += words.length * 4; at < body.length; at++) if (body[at] === COLON) colons++
  return colons
}

/**
 * Keys and colons of a value. Colons in keys are not counted: such a text merely counts as suspect, and
 * `refuseDuplicate` looks closely. Texts with the same count cannot have a key twice, as only a
 * dropped key or value takes colons away.
 */
function walk(value: unknown, depth: number, found: Findings, surrogates: boolean): void {
  if (typeof value === 'number') {
    if (value - value !== 0) found.unfit = true
  } else if (typeof value === 'string') {
    for (let at = value.indexOf(':'); at !== -1; at = value.indexOf(':', at + 1)) found.colons++
    if (surrogates && !isWellFormed(value)) found.unfit = true
  } else if (typeof value === 'object' && value !== null) {
    if (depth > MOST_LEVELS) throw tooDeep()
    if (Array.isArray(value)) walkItems(value, depth, found, surrogates)
    else walkMembers(value as Record<string, unknown>, depth, found, surrogates)
  }
}

function walkItems(items: readonly unknown[], depth: number, found: Findings, surrogates: boolean): void {
  for (let index = 0; index < items.length; index++) {
    const item = items[index]
    if (typeof item === 'number' && item - item === 0) continue
    walk(item, depth + 1, found, surrogates)
  }
}

function walkMembers(record: Record<string, unknown>, depth: number, found: Findings, surrogates: boolean): void {
  for (const key in record) {
    found.keys++
    const item = record[key]
    if (key === '__proto__' || (key === 'constructor' && reachesPrototype(item))) found.poisoned = true
    if (surrogates && !isWellFormed(key)) found.unfit = true
    if (typeof item === 'number' && item - item === 0) continue
    walk(item, depth + 1, found, surrogates)
  }
}

function reachesPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** An object or array that is open while the text is read: its keys so far, and where in it the reading is. */
interface Level {
  readonly keys: Set<string> | null
  place: string | number
}

/** Reads valid JSON to its first key given twice and throws; returns when there is none. */
function refuseDuplicate(body: Buffer): void {
  const levels: Level[] = []
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number
    const level = levels.at(-1)
    if (byte === QUOTE) {
      const start = at
      for (at++; body[at] !== QUOTE; at++) if (body[at] === BACKSLASH) at++
      if (level?.keys && isKey(body, at + 1)) {
        const key = JSON.parse(body.toString('utf8', start, at + 1)) as string
        if (level.keys.has(key)) throw duplicate(key, levels.slice(0, -1))
        level.keys.add(key)
        level.place = key
      }
    } else if (byte === 0x7b) levels.push({ keys: new Set(), place: '' })
    else if (byte === 0x5b) levels.push({ keys: null, place: 0 })
    else if (byte === 0x7d || byte === 0x5d) levels.pop()
    else if (byte === 0x2c && typeof level?.place === 'number') level.place++
  }
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
  return new DeepWatchError('duplicate_key', `The key ${quote(key)} stands twice in ${where}.`, {
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

function quote(key: string): string {
  return JSON.stringify(clip(key))
}

/** Keys come from outside and may be as long as the body; lone surrogates are shown as U+FFFD. */
function clip(key: string): string {
  const shown = key.length > 80 ? `${key.slice(0, 80)}…` : key
  return shown.replace(/\p{Surrogate}/gu, '\ufffd')
}
