/** What is kept of trainings for their reports: a small file per version in `reports/`. A version without it serves all the same. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type KeptReport, keptReport } from '../schemas/index.ts'
import { putInPlace, realDisk, tryTo } from '../storage/index.ts'

/** Bytes of a file, at most; distributions of features are left out from the end until it fits. */
const maxBytes = 100 * 1024
const formatVersion = 1
const fileName = /^([1-9]\d{0,14})\.json$/

/** A version, and the payload that what is kept belongs to: a number can come again after a model was deleted. */
interface KeptFor {
  readonly model: string
  readonly version: number
  readonly payload: string
}

export type KeptReports = ReturnType<typeof openKeptReports>

export function openKeptReports(home: string) {
  const root = join(home, 'reports')
  const pathOf = (model: string, version: number) => join(root, model, `${version}.json`)
  const remove = (path: string) => tryTo(() => rm(path, { recursive: true, force: true }))
  const entries = (folder: string) => readdir(folder).catch((): string[] => [])

  return {
    /** Errors: whatever the disk throws. */
    async keep({ model, version, payload }: KeptFor, report: KeptReport): Promise<void> {
      const folder = join(root, model)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await putInPlace(realDisk, folder, `${version}.json`, [Buffer.from(fitting(payload, report))])
    },
    /** Never throws: a file that is not whole, or is another version's, is as good as none. */
    async read({ model, version, payload }: KeptFor): Promise<KeptReport | 'absent' | 'damaged'> {
      const text = await readFile(pathOf(model, version), 'utf8').catch(() => null)
      if (text === null) return 'absent'
      try {
        const file = JSON.parse(text) as { format?: unknown; payload?: unknown; sha256?: unknown; report?: unknown }
        if (file.sha256 !== digest(file.report) || file.format !== formatVersion) return 'damaged'
        return file.payload === payload ? keptReport.parse(file.report) : 'absent'
      } catch {
        return 'damaged'
      }
    },
    /** Idempotent, never throws. */
    async removeVersion(model: string, version: number): Promise<void> {
      await remove(pathOf(model, version))
    },
    /** Idempotent, never throws. */
    async removeModel(model: string): Promise<void> {
      await remove(join(root, model))
    },
    /** Removes what belongs to no version, for the start; never throws. */
    async sweep(exists: (model: string, version: number) => boolean): Promise<void> {
      for (const folder of await entries(root)) {
        const files = await entries(join(root, folder))
        const orphans = files.filter((file) => {
          const version = fileName.exec(file)?.[1]
          return version === undefined || !exists(folder, Number(version))
        })
        if (orphans.length === files.length) await remove(join(root, folder))
        else for (const file of orphans) await remove(join(root, folder, file))
      }
    },
  }
}

function digest(report: unknown): string {
  return createHash('sha256').update(JSON.stringify(report)).digest('hex')
}

/** The file's text within its bound: the features that told most come first and stay longest. */
function fitting(payload: string, report: KeptReport): string {
  for (let profiles = report.profiles.length; ; profiles = Math.floor(profiles * 0.8)) {
    const kept = { ...report, profiles: report.profiles.slice(0, profiles) }
    const text = JSON.stringify({ format: formatVersion, payload, sha256: digest(kept), report: kept })
    if (Buffer.byteLength(text) <= maxBytes || profiles === 0) return text
  }
}
