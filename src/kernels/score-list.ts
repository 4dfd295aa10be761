/** A growing list of scores in chunks, so that its length need not be known and it is copied once. */
export interface ScoreList {
  readonly length: number
  push(score: number): void
  /** All scores in one new array, in shared memory. */
  toArray(): Float64Array<SharedArrayBuffer>
}

const chunkLength = 65_536

export function createScoreList(): ScoreList {
  const full: Float64Array[] = []
  let chunk = new Float64Array(chunkLength)
  let used = 0
  return {
    get length() {
      return full.length * chunkLength + used
    },
    push(score) {
      if (used === chunkLength) {
        full.push(chunk)
        chunk = new Float64Array(chunkLength)
        used = 0
      }
      chunk[used++] = score
    },
    toArray() {
      const all = new Float64Array(new SharedArrayBuffer(8 * (full.length * chunkLength + used)))
      full.forEach((part, index) => {
        all.set(part, index * chunkLength)
      })
      all.set(chunk.subarray(0, used), full.length * chunkLength)
      return all
    },
  }
}
