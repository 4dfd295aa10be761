/**
 * The models of many entities, and one for all the others, as bytes. Little-endian: eight 32-bit words (magic, format
 * version, features, entities, bytes of all names, 0, 0, 0); per entity the bytes of its name, then the bytes of the shared
 * model and of each entity's own (32-bit, each list padded to 8 bytes); the names in UTF-8, padded; per entity the min,
 * then per entity the max training value of every feature (float64); the models, the shared one first, each padded.
 */

import { packed, padded } from '../index.ts'

/** The models of a payload; everything is a view. */
export type Fleet = ReturnType<typeof decodeFleet>

/** What a fleet is made of. Lists have one entry per entity. */
export interface FleetParts {
  readonly features: number
  /** Unique, each at least one and at most `fleetBounds.nameBytes` bytes long. */
  readonly names: readonly string[]
  /** Min value of feature f of entity e at e * features + f. */
  readonly min: Float64Array
  readonly max: Float64Array
  readonly shared: Uint8Array
  readonly models: readonly (Uint8Array | null)[]
}

export const fleetBounds = { entities: 100_000, nameBytes: 1024 } as const

// 'DWFL' read as a little-endian word
const magic = 0x4c46_5744
const formatVersion = 1
const headerBytes = 32

/** The bytes of a fleet. */
export function encodeFleet({ features, names, min, max, shared, models }: FleetParts): Uint8Array<ArrayBuffer> {
  const texts = names.map((name) => Buffer.from(name))
  const allNames = Buffer.concat(texts)
  const all = [shared, ...models.map((model) => model ?? new Uint8Array(0))]
  const head = Uint32Array.of(magic, formatVersion, features, names.length, allNames.length, 0, 0, 0)
  const nameLengths = Uint32Array.from(texts, (text) => text.length)
  const modelLengths = Uint32Array.from(all, (model) => model.byteLength)
  return packed([head, nameLengths, modelLengths, allNames, min, max, ...all])
}

/** Where the parts of a payload lie. */
function layoutOf(bytes: Uint8Array) {
  if (bytes.byteLength < headerBytes) throw new RangeError('the models are shorter than their head')
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const { buffer, byteOffset } = aligned
  const [word, version, features = 0, entities = 0, nameBytes = 0, ...rest] = new Uint32Array(buffer, byteOffset, 8)
  if (word !== magic || version !== formatVersion || rest.some((value) => value !== 0))
    throw new RangeError('these are not the models of entities in format 1')
  if (features < 1 || entities < 1 || entities > fleetBounds.entities)
    throw new RangeError('the number of features or entities is out of range')
  const lengths = headerBytes + padded(4 * entities)
  const names = lengths + padded(4 * (entities + 1))
  const ranges = names + padded(nameBytes)
  const models = ranges + 16 * entities * features
  if (models > aligned.byteLength) throw new RangeError('the models are too short')
  const nameLengths = new Uint32Array(buffer, byteOffset + headerBytes, entities)
  const modelLengths = new Uint32Array(buffer, byteOffset + lengths, entities + 1)
  let [ownNames, ownModels] = [0, 0]
  for (const length of nameLengths) ownNames += length
  for (const length of modelLengths) ownModels += padded(length)
  if (ownNames !== nameBytes || models + ownModels !== aligned.byteLength || modelLengths[0] === 0)
    throw new RangeError('the models have the wrong length')
  return { aligned, features, entities, nameLengths, modelLengths, names, ranges, models }
}

/**
 * Reads the directory of a fleet. The models in it are checked by whoever reads them; ranges are data.
 *
 * @param bytes may lie over shared memory; where its offset allows, everything is a view of it, else of a copy
 * @throws RangeError when anything is out of place
 */
export function decodeFleet(bytes: Uint8Array) {
  const { aligned, features, entities, modelLengths, ranges, models } = layoutOf(bytes)
  const starts = new Float64Array(entities + 1)
  let at = models
  for (let m = 0; m <= entities; m++) {
    starts[m] = at
    at += padded(modelLengths[m]!)
  }
  const model = (m: number) => {
    const start = starts[m]!
    return aligned.subarray(start, start + modelLengths[m]!)
  }
  const values = new Float64Array(aligned.buffer, aligned.byteOffset + ranges, 2 * entities * features)
  const range = (place: number) => values.subarray(place * features, (place + 1) * features)
  return {
    features,
    entities,
    /** Scores every row whose entity has no model of its own. */
    shared: model(0),
    /** The own model of an entity; null when nothing varied in its rows, and the shared one scores them, too. */
    modelOf: (entity: number) => (modelLengths[entity + 1]! === 0 ? null : model(entity + 1)),
    /** Min and max training value per feature of an entity; -Infinity and Infinity where there is no bound. */
    rangeOf: (entity: number) => ({ min: range(entity), max: range(entities + entity) }),
  }
}

/** The names of the entities, in their order; a copy. @throws RangeError when anything is out of place */
export function fleetNames(bytes: Uint8Array): string[] {
  const { aligned, nameLengths, names } = layoutOf(bytes)
  let at = names
  const found = Array.from(nameLengths, (length) => {
    if (length < 1 || length > fleetBounds.nameBytes) throw new RangeError('a name is too long, or empty')
    // A decoder does not take shared memory.
    const name = textOf(aligned.slice(at, at + length))
    at += length
    return name
  })
  if (new Set(found).size !== found.length) throw new RangeError('two entities have one name')
  return found
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new RangeError('a name is no text')
  }
}
