import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

export type Scratch = ReturnType<typeof createScratch>

/**
 * Names two short-lived files in `folder`, which exists: raw little-endian float64 scores, and the Parquet file that is made from
 * them. Nothing is created before it is written.
 */
export function createScratch(folder: string) {
  const id = randomUUID()
  const scoresPath = join(folder, `${id}.scores`)
  const outputPath = join(folder, `${id}.parquet`)
  return {
    scoresPath,
    outputPath,
    /** Opens the score file for writing from its start. */
    openScores: () => open(scoresPath, 'wx', 0o600),
    /** Reads the scores from their start; `next` fills a whole array, and fails where fewer are left. */
    async readScores() {
      const file = await open(scoresPath, 'r')
      return {
        async next(scores: Float64Array): Promise<void> {
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
    /** Removes both files. Idempotent, never throws. */
    async dispose(): Promise<void> {
      await Promise.allSettled([rm(scoresPath, { force: true }), rm(outputPath, { force: true })])
    },
  }
}
