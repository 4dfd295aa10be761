/** Keys whose rows are counted at once; the one asked for longest ago starts anew. */
const maxCounted = 16_384

/**
 * What a thread has prepared from payloads, by key, within a bound of bytes: the one used longest ago goes first.
 * What alone is larger than the bound is made anew whenever it is asked for.
 * @param bytesOf what a value takes, never changing
 */
export function keepPrepared<Value>(maxBytes: number, bytesOf: (value: Value) => number) {
  const kept = new Map<string, Value>()
  const asked = new Map<string, number>()
  let bytes = 0
  /** The key that was used last. */
  let newest: string | undefined

  function get(key: string, make: () => Value): Value {
    let value = kept.get(key)
    if (value === undefined) {
      value = make()
      if (bytesOf(value) > maxBytes) return value
      bytes += bytesOf(value)
    }
    if (key === newest) return value
    newest = key
    // Again at the end: the first key of the map is the one used longest ago.
    kept.delete(key)
    kept.set(key, value)
    for (const [oldest, other] of kept) {
      if (bytes <= maxBytes) break
      kept.delete(oldest)
      bytes -= bytesOf(other)
    }
    return value
  }

  /**
   * The same, but what is not there is made only when it pays: when it was asked for `minRows` rows since it was last made.
   * Until then undefined. So that what is often dropped for want of room is not made again for each handful of rows.
   */
  function getFor(rows: number, minRows: number, key: string, make: () => Value): Value | undefined {
    if (kept.has(key)) return get(key, make)
    const count = (asked.get(key) ?? 0) + rows
    asked.delete(key)
    if (count >= minRows) return get(key, make)
    asked.set(key, count)
    if (asked.size > maxCounted) for (const [oldest] of asked) return void asked.delete(oldest)
    return undefined
  }

  /** Keeps a value that was made elsewhere, in the place of another. */
  function put(key: string, value: Value): void {
    const before = kept.get(key)
    if (before !== undefined) bytes -= bytesOf(before)
    kept.delete(key)
    newest = undefined
    get(key, () => value)
  }

  /** What is there, without a use being made of it. */
  const peek = (key: string) => kept.get(key)

  return { get, getFor, put, peek }
}
