/**
 * What a thread has prepared from payloads, by key, within a bound of bytes: the one used longest ago goes first.
 * What alone is larger than the bound is made anew whenever it is asked for.
 */
export interface Prepared<Value> {
  get(key: string, make: () => Value): Value
}

/** @param bytesOf what a value takes, never changing */
export function keepPrepared<Value>(mostBytes: number, bytesOf: (value: Value) => number): Prepared<Value> {
  const kept = new Map<string, Value>()
  let bytes = 0
  return {
    get(key, make) {
      let value = kept.get(key)
      if (value === undefined) {
        value = make()
        if (bytesOf(value) > mostBytes) return value
        bytes += bytesOf(value)
      }
      // Again at the end: the first key of the map is the one used longest ago.
      kept.delete(key)
      kept.set(key, value)
      for (const [oldest, other] of kept) {
        if (bytes <= mostBytes) break
        kept.delete(oldest)
        bytes -= bytesOf(other)
      }
      return value
    },
  }
}
