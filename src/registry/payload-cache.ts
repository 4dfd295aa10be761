/**
 * Payloads in memory, least recently used out first, bounded by the sum of their bytes. A payload larger
 * than the bound is read and handed out but not kept. Whoever holds a payload keeps it beyond its time here.
 */
export class PayloadCache {
  readonly #mostBytes: number
  /** In order of use, the latest last. */
  readonly #kept = new Map<string, SharedArrayBuffer>()
  readonly #reading = new Map<string, Promise<SharedArrayBuffer>>()
  #bytes = 0
  /** The key that was used last. */
  #latest: string | undefined

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get count(): number {
    return this.#kept.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The payload of `key`, at once where it is here; `read` is called when it is not, once for all who ask meanwhile. */
  get(key: string, read: () => Promise<SharedArrayBuffer>): SharedArrayBuffer | Promise<SharedArrayBuffer> {
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      // Live requests mostly ask for one model, which need not change its place.
      if (key !== this.#latest) {
        this.#kept.delete(key)
        this.#kept.set(key, kept)
        this.#latest = key
      }
      return kept
    }
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = read()
        .then((payload) => {
          this.put(key, payload)
          return payload
        })
        .finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    return reading
  }

  put(key: string, payload: SharedArrayBuffer): void {
    this.drop(key)
    if (payload.byteLength > this.#mostBytes) return
    this.#kept.set(key, payload)
    this.#latest = key
    this.#bytes += payload.byteLength
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#mostBytes) break
      this.drop(oldest)
    }
  }

  drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.byteLength ?? 0
    this.#kept.delete(key)
  }
}
