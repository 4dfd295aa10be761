/** What the killed process does, and what must be true of its registry afterwards, said as plainly as possible. */

export type Operation =
  | {
      readonly do: 'add'
      readonly model: string
      readonly nonce: string
      readonly serve: boolean
      readonly bytes: number
    }
  | { readonly do: 'choose' | 'remove'; readonly model: string; readonly version: number }
  | { readonly do: 'drop'; readonly model: string }

export interface SavedDocument {
  readonly model: string
  readonly version: number
  readonly nonce: string
  readonly bytes: number
}

/** A model: its versions with their nonces, the one that serves, and the highest number anybody was told. */
export interface Facts {
  readonly versions: ReadonlyMap<number, string>
  readonly serving: number | null
  readonly last: number
}

export const nothing: Facts = { versions: new Map(), serving: null, last: 0 }

/** The facts after an operation; `version` is the number that an added version got. */
export function apply({ versions, serving, last }: Facts, operation: Operation, version: number): Facts {
  if (operation.do === 'drop') return nothing
  if (operation.do === 'choose') return { versions, serving: operation.version, last }
  const next = new Map(versions)
  if (operation.do === 'add') {
    next.set(version, operation.nonce)
    return { versions: next, serving: operation.serve ? version : serving, last: Math.max(last, version) }
  }
  next.delete(operation.version)
  if (next.size === 0) return nothing
  return { versions: next, serving: serving === operation.version ? Math.max(...next.keys()) : serving, last }
}

export function show({ versions, serving }: Facts): string {
  const list = [...versions].sort(([a], [b]) => a - b).map(([version, nonce]) => `${version}:${nonce}`)
  return `${list.join(' ') || 'none'}, serving ${serving}`
}

/** Bytes that no other nonce has. */
export function payloadOf(nonce: string, bytes: number): Uint8Array {
  const random = seededRandom([...nonce].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 7))
  const payload = new Uint8Array(bytes)
  const words = new Uint32Array(payload.buffer, 0, bytes >> 2)
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32
  return payload
}

/** Uniform in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
