/** What a file may be wrapped in: a compression, or an encoding of text that is not UTF-8. */
export type Packing = 'gzip' | 'zstd' | 'utf-16le' | 'utf-16be'

/** The bytes that each begins with; of text it is the byte order mark. */
const marks: readonly (readonly [Packing, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
]

/** What a file that begins with `head` is wrapped in; null for a plain one. */
export function packingOf(head: Uint8Array): Packing | null {
  const found = marks.find(([, mark]) => mark.every((byte, at) => head[at] === byte))
  return found?.[0] ?? (isSkippableFrame(head) ? 'zstd' : null)
}

/** Some writers of Zstandard begin with a frame for themselves, which decoders pass over: its mark has sixteen forms. */
function isSkippableFrame([a = 0, ...rest]: Uint8Array): boolean {
  return a >> 4 === 5 && rest[0] === 0x2a && rest[1] === 0x4d && rest[2] === 0x18
}
