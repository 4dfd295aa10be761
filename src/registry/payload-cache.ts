import { LRUCache } from 'lru-cache'

/** Payloads in memory, bounded by their bytes, least recently used out first; a larger one is not stored. */
export class PayloadCache extends LRUCache<string, SharedArrayBuffer> {
  readonly #reading = new Map<string, Promise<SharedArrayBuffer>>()

  constructor(maxBytes: number) {
    // The library takes no size below 1.
    super({ maxSize: Math.max(1, maxBytes), sizeCalculation: ({ byteLength }) => Math.max(1, byteLength) })
  }

  /** The payload of `key`, at once where it is here; `read` is called when it is not, once for all who ask meanwhile. */
  getOrRead(key: string, read: () => Promise<SharedArrayBuffer>): SharedArrayBuffer | Promise<SharedArrayBuffer> {
    const found = this.get(key) ?? this.#reading.get(key)
    if (found !== undefined) return found
    const reading = read()
      .then((payload) => {
        this.set(key, payload)
        return payload
      })
      .finally(() => this.#reading.delete(key))
    this.#reading.set(key, reading)
    return reading
  }
}
