/** JSON bodies of requests. */
import { parseJson } from './json.ts'
import { readPlainBody } from './small-batch.ts'

/** The rows of a longer body are no small batch. */
const maxBytes = 64 * 1024

/**
 * The value of a JSON body from outside, as `parseJson` gives it, but with a `SmallBatch` for the member `rows` where its rows are
 * one. The bytes may not change afterwards. Errors: those of `parseJson`.
 */
export function parseBody(bytes: Buffer): unknown {
  return (bytes.length <= maxBytes ? readPlainBody(bytes) : null) ?? parseJson(bytes)
}
