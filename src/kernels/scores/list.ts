import { shareBytes } from '../index.ts'

const chunkLength = 65_536

/** A growing list of scores in chunks, so that its length need not be known and it is copied once. */
export function createScoreList() {
  const full: Float64Array[] = []
  let chunk = new Float64Array(chunkLength)
  let used = 0
  return {
    get length(): number {
      return full.length * chunkLength + used
    },
    push(score: number): void {
      if (used === chunkLength) {
        full.push(chunk)
        chunk = new Float64Array(chunkLength)
        used = 0
      }
      chunk[used++] = score
    },
    /** All scores in one new array, in shared memory. */
    toArray(): Float64Array<SharedArrayBuffer> {
      const all = new Float64Array(shareBytes(8 * this.length))
      for (const [index, part] of full.entries()) all.set(part, index * chunkLength)
      all.set(chunk.subarray(0, used), full.length * chunkLength)
      return all
    },
  }
}
