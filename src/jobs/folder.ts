/** The folder of the jobs: `<id>.json`, checksummed, and `<id>.result`; both appear whole or not at all. */
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, putInPlace, realDisk, storageFailure, temporaryName, tryTo } from '../storage/index.ts'
import type { Answer } from './answer.ts'
import { type JobRecord, jobRecord } from './job.ts'

const recordName = /^([0-9a-f-]{36})\.json$/
const resultName = /^([0-9a-f-]{36})\.result$/
/** The facts of a problem may name many columns. */
const maxRecordBytes = 1024 * 1024
const format = 1

export type JobsFolder = ReturnType<typeof openJobsFolder>

export function openJobsFolder(home: string) {
  const folder = join(home, 'jobs')
  const recordPath = (id: string) => join(folder, `${id}.json`)
  const resultPath = (id: string) => join(folder, `${id}.result`)

  return {
    /** All readable records, and the names of damaged ones. Removes what is left over, and damaged after `keepMs`. */
    async load(keepMs: number): Promise<{ records: JobRecord[]; damaged: string[] }> {
      await realDisk.makeFolder(folder)
      const records = new Map<string, JobRecord>()
      const damaged: string[] = []
      const files = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile())
      for (const { name } of files) {
        const id = recordName.exec(name)?.[1]
        if (temporaryName.test(name)) await tryTo(() => rm(join(folder, name)))
        if (id === undefined) continue
        const record = await readRecord(recordPath(id))
        if (record?.id === id && (await hasResult(record, resultPath(id)))) records.set(id, record)
        else if (await isOld(recordPath(id), keepMs)) await tryTo(() => rm(recordPath(id)))
        else damaged.push(name)
      }
      for (const { name } of files) {
        const id = resultName.exec(name)?.[1]
        if (id !== undefined && !records.get(id)?.result) await tryTo(() => rm(resultPath(id)))
      }
      return { records: [...records.values()].sort((a, b) => a.createdAt - b.createdAt), damaged }
    },

    /** Durable when it returns. Errors: `storage_full`, `storage_error`. */
    async save(record: JobRecord): Promise<void> {
      const text = `${JSON.stringify({ format, job: record, sha256: digestOf(record) })}\n`
      try {
        await putInPlace(realDisk, folder, `${record.id}.json`, [Buffer.from(text)])
      } catch (error) {
        throw storageFailure(error)
      }
    },

    /** Writes a result, durable when it returns. `check` may throw at each piece; then nothing is left. */
    async receive(id: string, pieces: Answer['pieces'], check: (bytes: number) => void): Promise<number> {
      let bytes = 0
      let failure: unknown
      async function* chunks() {
        try {
          for await (const piece of pieces) {
            const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
            bytes += chunk.byteLength
            check(bytes)
            yield chunk
          }
        } catch (error) {
          failure = error
          throw error
        }
      }
      try {
        await putInPlace(realDisk, folder, `${id}.result`, chunks())
        return bytes
      } catch (error) {
        await tryTo(() => rm(resultPath(id), { force: true }))
        throw error === failure ? error : storageFailure(error)
      }
    },

    /** The bytes of a result. A result that is removed meanwhile is still read to its end. */
    async read(id: string): Promise<AsyncIterable<Uint8Array>> {
      const file = await open(resultPath(id), 'r').catch((error) => {
        throw storageFailure(error)
      })
      return createReadStream('', { fd: file, highWaterMark: 256 * 1024 })
    },

    /** Removes record and result. Never throws. */
    async remove(id: string): Promise<void> {
      await tryTo(() => rm(recordPath(id), { force: true }))
      await tryTo(() => rm(resultPath(id), { force: true }))
    },
  }
}

/** Null for anything that is not a whole record of ours. */
async function readRecord(path: string): Promise<JobRecord | null> {
  try {
    if ((await stat(path)).size > maxRecordBytes) return null
    const { job, sha256, ...rest } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    if (rest['format'] !== format || sha256 !== digestOf(job)) return null
    return jobRecord.parse(job)
  } catch {
    return null
  }
}

/** Size and age of a file; null when it cannot be looked at. */
const look = (path: string) => stat(path).catch(() => null)

const hasResult = async ({ result }: JobRecord, path: string) =>
  result === null || (await look(path))?.size === result.bytes

const isOld = async (path: string, keepMs: number) =>
  ((await look(path))?.mtimeMs ?? Number.POSITIVE_INFINITY) + keepMs < Date.now()
