/**
 * Several models as one, as bytes: which members there are, the held-back rows that put them on one scale, and the
 * payloads of the members. Little-endian: eight 32-bit words (magic, format version, features, members, rule,
 * held-back rows, 0, 0); per member two words (its kind, bytes of its payload), in format 2 four (and the first column it
 * looks at, and how many); then float64: per member the middle and unit of its scale, and the statistic of the held-back
 * rows, ascending; then the payloads, each padded to 8 bytes. Format 1 is written where every member looks at all columns.
 */
import { packed, padded } from '../index.ts'
import { type MemberScale, type Rule, rules } from './calibration.ts'

interface MixtureMember extends MemberScale {
  /** A number that stands for the detector. */
  readonly kind: number
  /** First column it looks at, and how many. */
  readonly from: number
  readonly columns: number
  /** A view. */
  readonly payload: Uint8Array
}

export interface Mixture {
  readonly features: number
  readonly rule: Rule
  readonly members: readonly MixtureMember[]
  /** The statistic of the held-back rows, ascending. */
  readonly heldBack: Float64Array
}

/** The maximum of members and of held-back rows of a mixture. */
export const mixtureBounds = { members: 12, heldBack: 4096 } as const

// 'DWMX' read as a little-endian word
const magic = 0x584d_5744
const headerBytes = 32
/** Words per member, by format version. */
const directoryWords: Readonly<Record<number, number>> = { 1: 2, 2: 4 }

/** Bytes beside the payloads of the members, at most. */
export const mixtureBytes = (members: number) => headerBytes + members * (16 + 16 + 8) + 8 * mixtureBounds.heldBack

/** The bytes of a mixture. */
export function encodeMixture({ features, rule, members, heldBack }: Mixture): Uint8Array<ArrayBuffer> {
  const version = members.every(({ from, columns }) => from === 0 && columns === features) ? 1 : 2
  const words = [magic, version, features, members.length, rules.indexOf(rule), heldBack.length, 0, 0]
  const directory = members.flatMap(({ kind, payload, from, columns }) =>
    version === 1 ? [kind, payload.byteLength] : [kind, payload.byteLength, from, columns],
  )
  const values = [...members.flatMap(({ middle, unit }) => [middle, unit]), ...heldBack]
  const payloads = members.map(({ payload }) => payload)
  return packed([Uint32Array.of(...words, ...directory), Float64Array.from(values), ...payloads])
}

/**
 * Reads a mixture and checks every number but those of the members' payloads, which are the members' own.
 *
 * @param bytes may lie over shared memory; where its offset allows, everything is a view of it, else of a copy
 * @throws RangeError when anything is out of place
 */
export function decodeMixture(bytes: Uint8Array): Mixture {
  if (bytes.byteLength < headerBytes) throw new RangeError('the model is shorter than its head')
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const { buffer, byteOffset } = aligned
  const [word, version = 0, features = 0, count = 0, rule = 0, rows = 0, ...rest] = new Uint32Array(
    buffer,
    byteOffset,
    8,
  )
  const words = directoryWords[version]
  if (word !== magic || words === undefined || rest.some((value) => value !== 0))
    throw new RangeError('this is not a mixture of format 1 or 2')
  if (count < 1 || count > mixtureBounds.members || rows < 1 || rows > mixtureBounds.heldBack)
    throw new RangeError('the number of members or rows is out of range')
  const name = rules[rule]
  if (name === undefined || features < 1) throw new RangeError('the rule or the number of features is not valid')
  const numbers = headerBytes + 4 * words * count
  const start = numbers + 16 * count + 8 * rows
  if (aligned.byteLength < start) throw new RangeError('the model is too short')
  const directory = new Uint32Array(buffer, byteOffset + headerBytes, words * count)
  const values = new Float64Array(buffer, byteOffset + numbers, 2 * count + rows)
  for (const value of values) if (!Number.isFinite(value)) throw new RangeError('a number is not finite')
  const members = []
  let at = start
  for (let m = 0; m < count; m++) {
    const [kind = 0, length = 0, from = 0, columns = features] = directory.subarray(words * m, words * (m + 1))
    const [middle, unit] = [values[2 * m]!, values[2 * m + 1]!]
    if (!(unit > 0) || columns < 1 || from + columns > features || at + padded(length) > aligned.byteLength)
      throw new RangeError('a member is not valid')
    members.push({ kind, from, columns, middle, unit, payload: aligned.subarray(at, at + length) })
    at += padded(length)
  }
  if (at !== aligned.byteLength) throw new RangeError('the model is too long')
  const heldBack = values.subarray(2 * count)
  for (let i = 1; i < rows; i++) if (heldBack[i]! < heldBack[i - 1]!) throw new RangeError('the rows are not in order')
  return { features, rule: name, members, heldBack }
}
