/** What crosses threads and processes: plain data and shared memory. Errors cross as `Failure`: a thrown one would lose its code. */
import type { DetectorParams, FitInput, JoinInput, PreparedForSmallBatch } from '../src/detectors/index.ts'
import type { FleetSettings } from '../src/generate/index.ts'
import type { Block } from '../src/kernels/index.ts'
import type { Profile, Unusable } from '../src/kernels/models/index.ts'
import type { Sample, SampleSet } from '../src/kernels/sampling/index.ts'
import type { Guards, Labelled, Ranking, RowRun } from '../src/kernels/scores/index.ts'
import type { ReportFacts, ReportFormat } from '../src/schemas/index.ts'

interface Failure {
  readonly ok: false
  /** A code of the error table. */
  readonly code: string
  readonly detail: string
  /** For the log alone. */
  readonly cause: string
}

export type Reply<Result> = (Result & { readonly ok: true }) | Failure

/** Profile and unusable rows of one block. */
export interface Inspection extends Unusable {
  readonly profile: Profile
}

/** When a thread that has much to do looks up from it: it then stops if its time is over or a call waits for a thread. */
export interface Pauses {
  /** Rows or pieces between two looks. */
  readonly step: number
  readonly milliseconds: number
  /** One element, not 0 while a call waits. */
  readonly wanted: Int32Array<SharedArrayBuffer>
}

/** What has a beginning and an end, and may be stopped in between. */
export interface Stoppable {
  readonly from: number
  readonly to: number
  /** Null: it is done without a pause. */
  readonly pauses: Pauses | null
}

export interface FitTask extends Stoppable, Omit<FitInput, 'sample' | 'piece'> {
  readonly detector: string
  /** One sample per piece, or one for all; every value finite. */
  readonly samples: SampleSet
}

interface FitResult {
  /** Where the thread stopped: at the end, or earlier and then not at the beginning. */
  readonly to: number
  readonly pieces: readonly Uint8Array<SharedArrayBuffer>[]
  /** The model, where the thread fitted all of its pieces without a pause: then it does not tell these. */
  readonly payload: Uint8Array<ArrayBuffer> | null
}

export interface FitEntitiesTask {
  readonly detector: string
  readonly params: DetectorParams
  /** As in `TrainingShape`. */
  readonly measured: number | undefined
  readonly seed: number
  /** One per entity; every value finite, in shared memory. */
  readonly samples: readonly (Sample & { readonly values: Float64Array<SharedArrayBuffer> })[]
}

export interface ScoreTask extends Stoppable {
  readonly key: string
  readonly detector: string
  readonly payload: SharedArrayBuffer
  readonly fill: Float64Array | null
  readonly guards: Guards | null
  readonly block: Block
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
}

interface ScoreEntitiesTask extends Omit<ScoreTask, keyof Stoppable> {
  /** See `EntityScoreInput`. */
  readonly order: Uint32Array<SharedArrayBuffer>
  readonly runs: readonly RowRun[]
}

interface ArrangeTask extends Omit<Stoppable, 'pauses'> {
  readonly block: Block
  readonly order: Uint32Array<SharedArrayBuffer>
  readonly into: Float64Array<SharedArrayBuffer>
}

export interface ScoreResult {
  /** Processor time of the kernel, in seconds by the wall clock of its thread. */
  readonly seconds: number
}

/** What the threads of the pool do, a function per kind of task. Each answers with a `Reply`. */
export interface ThreadTasks {
  /** Looks at the first `features` columns. With `usableOnly`, rows with a value that is not finite are kept out of the profile. */
  inspect(task: { readonly block: Block; readonly features: number; readonly usableOnly: boolean }): Inspection
  /** Fits pieces from..to-1 of a model. */
  fit(task: FitTask): FitResult
  /** Fits the models of some entities, one each; null where nothing varies. */
  fitEntities(task: FitEntitiesTask): { readonly models: readonly (Uint8Array<ArrayBuffer> | null)[] }
  /** Puts the fitted pieces together. */
  join(task: JoinInput & { readonly detector: string }): { readonly payload: Uint8Array<ArrayBuffer> }
  /** Scores rows from..to-1 of a block into the shared arrays of the task. */
  score(task: ScoreTask): ScoreResult & Pick<FitResult, 'to'>
  /** Scores some rows of a block, each with the model of its entity, into the shared arrays of the task. */
  scoreEntities(task: ScoreEntitiesTask): ScoreResult
  /** Copies columns from..to-1 of a block with its rows in another order; see `arrangeColumns`. */
  arrange(task: ArrangeTask): object
  /** Prepares a model for small batches; null where such calls are for the threads. */
  prepareSmallBatch(task: Pick<ScoreTask, 'detector' | 'payload'>): { readonly prepared: PreparedForSmallBatch | null }
  /** Ranks scores of labelled rows; sorts them where they are, in shared memory. */
  rank(task: Labelled): { readonly ranking: Ranking }
}

export type ResultOf<Name extends keyof ThreadTasks> = ReturnType<ThreadTasks[Name]>

/** What the drawing thread is asked for. */
export interface DrawTask {
  readonly facts: ReportFacts
  readonly format: ReportFormat
}

export type Drawn =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** The cause is for the log alone. */
  | { readonly ok: false; readonly cause: string }

/** What the writing process is told. */
export interface WriterStart {
  readonly fleet: FleetSettings
  /** Absolute path of the file to write; its folder is there. */
  readonly output: string
}

/** Rows made so far, then how it ended. */
export type WriterReport =
  | { readonly rows: number }
  | { readonly written: number }
  | { readonly failed: 'storage_full' | 'storage_error'; readonly cause: string }
