import type { ErrorCode } from '../errors.ts'
import type { Disk } from '../storage/index.ts'

/** The part of a logger that the registry needs. */
interface RegistryLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export interface RegistryOptions<Document extends object> {
  /** The state folder (DEEPWATCH_HOME); models live in `<home>/models`. The caller holds its lock. */
  readonly home: string
  /** Bytes that cached payloads may take together. Payloads of handles in use are not counted. */
  readonly cacheBytes: number
  /** Names the registry may hold; one more answers 'registry_full'. */
  readonly maxModels: number
  readonly log: RegistryLog
  /**
   * Checks a version document read back from a file, and lifts an older one to the present shape.
   * What it throws quarantines that version as 'model_corrupt'. Default: taken as it is.
   */
  readonly readDocument?: (value: unknown) => Document
  /** The calls that change the folder; tests let them fail. Default: the real ones. */
  readonly disk?: Disk
}

/** One model at a glance. Version numbers are ascending and count quarantined versions too. */
export interface ModelSummary {
  readonly name: string
  readonly versions: readonly number[]
  readonly newest: number
  /** The version that scores when none is named; null while the choice is unreadable (see `quarantined`). */
  readonly serving: number | null
  /** Versions that exist on disk and cannot be used. */
  readonly quarantined: readonly number[]
  /** RFC 3339, of the oldest and of the newest version there is. */
  readonly createdAt: string
  readonly updatedAt: string
}

/** One version in use. It stays valid when the version is replaced or deleted. */
export interface ModelHandle<Document extends object = Readonly<Record<string, unknown>>> {
  readonly name: string
  readonly version: number
  /** Deep-frozen, exactly what a restart would read. */
  readonly document: Document
  /** The detector's bytes over shared memory. Shared by all holders: never written to. */
  readonly payload: SharedArrayBuffer
  /** SHA-256 of the artefact, hex. Unlike `name@version` it never comes again, so caches key on it. */
  readonly digest: string
}

/** A version that is on disk and cannot be used; `version` null means the model's serving choice itself. */
export interface Quarantined {
  readonly model: string
  readonly version: number | null
  readonly code: ErrorCode
}

export interface RegistrySize {
  readonly models: number
  /** Usable versions. */
  readonly versions: number
  readonly quarantined: number
  readonly cachedPayloads: number
  readonly cachedBytes: number
}

export interface NewVersion<Document extends object> {
  /** Plain JSON data. */
  readonly document: Document
  /** Copied before `add` returns. */
  readonly payload: Uint8Array
}

/** Makes a version once its number and creation time (RFC 3339) are known. */
export type BuildVersion<Document extends object> = (
  version: number,
  createdAt: string,
) => NewVersion<Document> | Promise<NewVersion<Document>>
