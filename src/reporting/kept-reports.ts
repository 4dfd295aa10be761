/**
 * What is kept of trainings for their reports: one small file per version below `reports/` of the state folder. It is worth
 * having, not worth failing for: a version without it serves, and its report says what it lacks.
 */
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

export interface KeptReports {
  /** Errors: whatever the disk throws. */
  keep(version: KeptFor, report: KeptReport): Promise<void>
  /** Never throws: a file that is not whole, or is another version's, is as good as none. */
  read(version: KeptFor): Promise<KeptReport | 'absent' | 'damaged'>
  /** Idempotent, never throws. */
  removeVersion(model: string, version: number): Promise<void>
  /** Idempotent, never throws. */
  removeModel(model: string): Promise<void>
  /** Removes what belongs to no version, for the start; never throws. */
  sweep(exists: (model: string, version: number) => boolean): Promise<void>
}

export function openKeptReports(home: string): KeptReports {
  const root = join(home, 'reports')
  const pathOf = (model: string, version: number) => join(root, model, `${version}.json`)
  const remove = (path: string) => tryTo(() => rm(path, { recursive: true, force: true }))

  return {
    async keep({ model, version, payload }, report) {
      const folder = join(root, model)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await putInPlace(realDisk, folder, `${version}.json`, [Buffer.from(fitting(payload, report))])
    },
    async read({ model, version, payload }) {
      let text: string
      try {
        text = await readFile(pathOf(model, version), 'utf8')
      } catch {
        return 'absent'
      }
      try {
        const file = JSON.parse(text) as { format?: unknown; payload?: unknown; sha256?: unknown; report?: unknown }
        if (file.sha256 !== digest(file.report) || file.format !== formatVersion) return 'damaged'
        return file.payload === payload ? keptReport.parse(file.report) : 'absent'
      } catch {
        return 'damaged'
      }
    },
    async removeVersion(model, version) {
      await remove(pathOf(model, version))
    },
    async removeModel(model) {
      await remove(join(root, model))
    },
    async sweep(exists) {
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

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
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
