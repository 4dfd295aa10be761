import { shareBytes } from '../index.ts'

/** A growing list of scores in chunks, so that its length need not be known and it is copied once. */
export interface ScoreList {
  readonly length: number
  /** Adds the first `count` scores of an array. */
  add(scores: Float64Array, count: number): void
  /** All scores in one new array, in shared memory. */
  toArray(): Float64Array<SharedArrayBuffer>
}

const chunkLength = 65_536

export function createScoreList(): ScoreList {
  const full: Float64Array[] = []
  let chunk = new Float64Array(chunkLength)
  let used = 0
  function makeRoom(): void {
    if (used < chunkLength) return
    full.push(chunk)
    chunk = new Float64Array(chunkLength)
    used = 0
  }

  return {
    get length() {
      return full.length * chunkLength + used
    },
    add(scores, count) {
      for (let done = 0; done < count; ) {
        makeRoom()
        const part = Math.min(count - done, chunkLength - used)
        chunk.set(scores.subarray(done, done + part), used)
        used += part
        done += part
      }
    },
    toArray() {
      const all = new Float64Array(shareBytes(8 * (full.length * chunkLength + used)))
      full.forEach((part, index) => {
        all.set(part, index * chunkLength)
      })
      all.set(chunk.subarray(0, used), full.length * chunkLength)
      return all
    },
  }
}
