/** JSON bodies of requests. */
import { parseJson } from './json.ts'
import { readSmallBatch } from './small-batch.ts'

/** The rows of a longer body are no small batch. */
const maxBytes = 64 * 1024

const [ROWS, NULL] = [Buffer.from('"rows":'), Buffer.from('null')]
const [LIST, OBJECT, BACKSLASH] = [0x5b, 0x7b, 0x5c]

/**
 * The value of a JSON body from outside, as `parseJson` gives it, but with a `SmallBatch` for the member `rows` where its rows are
 * one. The bytes may not change afterwards. Errors: those of `parseJson`.
 */
export function parseBody(bytes: Buffer): unknown {
  return (bytes.length <= maxBytes ? readAround(bytes) : null) ?? parseJson(bytes)
}

/** The body with a small batch; null where its rows are none, or are not plainly a member of the outermost object. */
function readAround(bytes: Buffer): unknown {
  const key = bytes.indexOf(ROWS)
  if (key === -1) return null
  const start = key + ROWS.length
  const before = bytes.subarray(0, start)
  // Without another bracket or an escape before it, this key can be of no inner object and in no text.
  if (before.includes(LIST) || before.includes(BACKSLASH) || before.lastIndexOf(OBJECT) !== before.indexOf(OBJECT))
    return null
  const rows = readSmallBatch(bytes, start)
  if (rows === null) return null
  const after = bytes.subarray(start + rows.bytes)
  try {
    const around = parseJson(Buffer.concat([before, NULL, after])) as object
    return { ...around, rows }
  } catch {
    // Only the whole text can tell where it is wrong.
    return null
  }
}
