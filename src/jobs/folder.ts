/**
 * The folder of the jobs: `<id>.json`, checksummed, and `<id>.result` once a job succeeded. Both appear whole or not at all.
 * A damaged record is passed over and named in the log; it is removed when it is old.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { newTemporaryName, putInPlace, realDisk, storageFailure, temporaryName, tryTo } from '../storage/index.ts'
import type { Answer } from './answer.ts'
import { type JobRecord, jobRecord } from './record.ts'

const recordName = /^([0-9a-f-]{36})\.json$/
const resultName = /^([0-9a-f-]{36})\.result$/
/** The facts of a problem may name many columns. */
const maxRecordBytes = 1024 * 1024
const format = 1

export interface JobsFolder {
  /**
   * All readable records, and the file names of the others. Removes temporary files, results without a record, and damaged records
   * that are older than `keepMs`.
   */
  load(keepMs: number): Promise<{ records: JobRecord[]; damaged: string[] }>
  /** Durable when it returns. Errors: `storage_full`, `storage_error`. */
  save(record: JobRecord): Promise<void>
  /**
   * Writes a result, durable when it returns its bytes. `check` is called before each piece with the bytes so far and
   * may throw; then nothing is left. Errors: those of the pieces, `storage_full`, `storage_error`.
   */
  receive(id: string, pieces: Answer['pieces'], check: (bytes: number) => void): Promise<number>
  /** The bytes of a result. A result that is removed meanwhile is still read to its end. */
  read(id: string): Promise<AsyncIterable<Uint8Array>>
  /** Removes record and result. Never throws. */
  remove(id: string): Promise<void>
}

export function openJobsFolder(home: string): JobsFolder {
  const folder = join(home, 'jobs')
  const recordPath = (id: string) => join(folder, `${id}.json`)
  const resultPath = (id: string) => join(folder, `${id}.result`)

  return {
    async load(keepMs) {
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

    async save(record) {
      const text = `${JSON.stringify({ format, job: record, sha256: digestOf(record) })}\n`
      try {
        await putInPlace(realDisk, folder, `${record.id}.json`, [Buffer.from(text)])
      } catch (error) {
        throw storageFailure(error)
      }
    },

    async receive(id, pieces, check) {
      const temporary = join(folder, newTemporaryName())
      try {
        const file = await open(temporary, 'wx', 0o600).catch(failStorage)
        let bytes = 0
        try {
          for await (const piece of pieces) {
            const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece
            check(bytes + chunk.byteLength)
            await file.writeFile(chunk).catch(failStorage)
            bytes += chunk.byteLength
          }
          await file.sync().catch(failStorage)
        } finally {
          await file.close()
        }
        await rename(temporary, resultPath(id)).catch(failStorage)
        await realDisk.syncFolder(folder).catch(failStorage)
        return bytes
      } catch (error) {
        await tryTo(() => rm(temporary, { force: true }))
        await tryTo(() => rm(resultPath(id), { force: true }))
        throw error
      }
    },

    async read(id) {
      const file = await open(resultPath(id), 'r').catch(failStorage)
      return createReadStream('', { fd: file, highWaterMark: 256 * 1024 })
    },

    async remove(id) {
      await tryTo(() => rm(recordPath(id), { force: true }))
      await tryTo(() => rm(resultPath(id), { force: true }))
    },
  }
}

function failStorage(error: unknown): never {
  throw storageFailure(error)
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

async function hasResult({ result }: JobRecord, path: string): Promise<boolean> {
  if (result === null) return true
  return stat(path).then(
    ({ size }) => size === result.bytes,
    () => false,
  )
}

const isOld = (path: string, keepMs: number) =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs + keepMs < Date.now(),
    () => false,
  )

const digestOf = (value: unknown) =>
  createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')
