/** Two short-lived files in the spool: raw scores, and the Parquet file that is made from them. */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

export interface Scratch {
  /** Raw little-endian float64 scores. */
  readonly scoresPath: string
  readonly outputPath: string
  /** Opens the score file for writing from its start. */
  openScores(): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<void> }>
  /** Reads the scores from their start; `next` fills a whole array, and fails where fewer are left. */
  readScores(): Promise<{ next(scores: Float64Array): Promise<void>; close(): Promise<void> }>
  /** Removes both files. Idempotent, never throws. */
  dispose(): Promise<void>
}

/** Names two fresh files in `folder`, which exists. Nothing is created before it is written. */
export function createScratch(folder: string): Scratch {
  const id = randomUUID()
  const scoresPath = join(folder, `${id}.scores`)
  const outputPath = join(folder, `${id}.parquet`)
  return {
    scoresPath,
    outputPath,
    async openScores() {
      const file = await open(scoresPath, 'wx', 0o600)
      return {
        write: (bytes) => file.writeFile(bytes),
        close: () => file.close(),
      }
    },
    async readScores() {
      const file = await open(scoresPath, 'r')
      return {
        async next(scores) {
          const bytes = new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength)
          for (let done = 0; done < bytes.length; ) {
            const { bytesRead } = await file.read(bytes, done)
            if (bytesRead === 0) throw new Error('there are fewer scores than rows')
            done += bytesRead
          }
        },
        close: () => file.close(),
      }
    },
    async dispose() {
      await Promise.allSettled([rm(scoresPath, { force: true }), rm(outputPath, { force: true })])
    },
  }
}
