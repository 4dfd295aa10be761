/**
 * Whether a file begins as UTF-8 text without control characters. The last character of a sample may be cut; a
 * NUL anywhere (UTF-16, binary) or a byte that UTF-8 does not know is not text.
 */
export function beginsText(head: Uint8Array, bytes: number): boolean {
  for (const byte of head) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return false
    if (byte === 0x7f) return false
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: head.length < bytes })
    return true
  } catch {
    return false
  }
}

/** The first character that is neither white space nor a byte order mark; empty when there is none. */
export function firstByte(head: Uint8Array): string {
  let at = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0
  while (at < head.length && (head[at] === 0x20 || head[at] === 0x09 || head[at] === 0x0a || head[at] === 0x0d)) at++
  return at < head.length ? String.fromCharCode(head[at] as number) : ''
}
