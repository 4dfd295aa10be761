import type { z } from 'zod'
import type { Block } from '../kernels/index.ts'
import type { Sample, SampleSet } from '../kernels/sampling/index.ts'
import type { RowScoreInput } from '../kernels/scores/index.ts'

/** The settings of a detector as a request gives them, after its schema filled in the defaults. */
export interface DetectorParams {
  readonly type: string
  /** Where the randomness comes from; chosen by the training when it is not given. */
  readonly seed?: number | undefined
}

/** The settings that were really used, as they stand in the version document: plain JSON data. */
export type EffectiveSettings = Readonly<Record<string, string | number | boolean | null | readonly string[]>> & {
  readonly type: string
}

/** Something the person who trains should know, with a stable code and one sentence. */
export interface DetectorWarning {
  readonly code: string
  readonly detail: string
}

/** What is known about the training data when the settings are resolved. */
export interface TrainingShape {
  /** Rows that can be learnt from. */
  readonly rows: number
  /** Features of the model. */
  readonly features: number
  /** How many of them, the first, are measured where the others follow from them or the time; absent when there are no such. */
  readonly measured?: number | undefined
}

/** What one piece of a model is fitted from. */
export interface FitInput {
  /** The rows drawn for this piece, or for all of them when there is one sample; every value finite. */
  readonly sample: Sample
  /** Number of the piece, from 0. */
  readonly piece: number
  readonly effective: EffectiveSettings
  readonly seed: number
  /** Features that are not constant over the training rows, ascending. */
  readonly varying: readonly number[]
  /** Standard deviation of each feature over all training rows. */
  readonly deviations: Float64Array
}

/** What a model is put together from. */
export interface JoinInput {
  /** In order; over shared memory where several turns on the threads made them; each at a multiple of 8 bytes. */
  readonly pieces: readonly Uint8Array[]
  readonly effective: EffectiveSettings
  readonly seed: number
  readonly features: number
  /** The samples the pieces were fitted from. */
  readonly samples: SampleSet
}

/**
 * The shape of a fitted model: bytes of the payload, and what else can be counted in it. Trees, nodes, leaves and depth
 * (of the deepest leaf) belong to forests.
 */
export interface ModelShape {
  readonly bytes: number
  readonly trees?: number
  readonly nodes?: number
  readonly leaves?: number
  readonly depth?: number
  /** Rows that are kept to compare with. */
  readonly referenceRows?: number
  /** Weight of the target a covariance was shrunk to, 0..1. */
  readonly shrinkage?: number
}

interface Split {
  readonly id: number
  readonly depth: number
  readonly threshold: number
  readonly left: number
  readonly right: number
  readonly size: number
}

/**
 * A node of a tree. Features are numbers in the model's order; rows go left when their value, or for a cut through
 * several features the sum of weight times value, is <= threshold.
 */
export type TreeNode =
  | (Split & { readonly cut: readonly { readonly feature: number; readonly weight: number }[] })
  | (Split & { readonly feature: number })
  | { readonly id: number; readonly depth: number; readonly size: number; readonly pathLength: number }

/** Rows from..to-1 of a block, and a model whose features are its first columns. */
export type ScoreInput = RowScoreInput

/** Scores rows inside one thread. Keeps prepared models within a bound of bytes. */
export interface Scorer {
  /** @throws DeepWatchError `model_corrupt` */
  score(input: ScoreInput): void
}

/** A model prepared for calls of few rows: what can be sent, over shared memory, made on a thread and used on another. */
export interface PreparedForSmallBatch {
  /** Bytes it takes where it is used. */
  readonly bytes: number
  /** Rows of a call that take up to some hundred microseconds; >= 1. */
  readonly maxRows: number
  /** Means something to its detector alone. */
  readonly model: unknown
}

/** Scores up to `maxRows` rows of one model, in any memory; the score of a row is that of a `Scorer`, to the bit. */
export type ScoreSmallBatch = (
  rows: Omit<ScoreInput, 'key' | 'payload' | 'block'> & { readonly block: Block<ArrayBufferLike> },
) => void

/**
 * An algorithm, named in `list.ts`. A model is a payload of bytes, data only, that means something to its detector alone.
 */
export interface Detector<Params extends DetectorParams = DetectorParams> {
  /** The `type` in the settings; kebab-case. */
  readonly id: string
  readonly title: string
  /** The source of the algorithm. */
  readonly paper: string
  /** Every setting with its bounds, default and description. */
  readonly params: z.ZodType<Params>
  /** The threshold of `"auto"`; null when the paper draws no line. */
  readonly autoThreshold: number | null
  /** Whether a score is a share of rows: 1 in 100 rows like those of the training lies above 0.99. */
  readonly isCalibrated: boolean

  /** Samples of the training rows that must be drawn: `count` of up to `size` rows. Either one, or one per piece. */
  reservoirs(params: Params): { readonly count: number; readonly size: number }
  /** Most bytes that fitting and the payload can take, beside the samples. */
  maxBytes(params: Params, features: number): number
  /**
   * Fits the settings to the data.
   * @throws DeepWatchError `insufficient_data`
   */
  resolve(
    params: Params,
    shape: TrainingShape,
  ): { readonly effective: EffectiveSettings; readonly warnings: readonly DetectorWarning[] }

  /** Number of pieces that can be fitted apart from each other. */
  pieces(effective: EffectiveSettings): number
  /** Fits one piece: a function of its input alone. */
  fitPiece(input: FitInput): Uint8Array<ArrayBuffer>
  /** Makes the payload of all pieces, in order. A function of its input alone, too; runs on a thread. */
  join(input: JoinInput): Uint8Array<ArrayBuffer>

  /**
   * Checks every number in a payload, and that it is for `features` features.
   * @throws DeepWatchError `model_corrupt`
   */
  check(payload: Uint8Array, features: number): void
  /** @throws DeepWatchError `model_corrupt` */
  describe(payload: Uint8Array): ModelShape
  /**
   * One tree, node by node, the root first.
   * @throws DeepWatchError `tree_not_found` (also when the algorithm has no trees), `model_corrupt`
   */
  tree(payload: Uint8Array, index: number): readonly TreeNode[]
  /** A scorer for one thread. */
  createScorer(): Scorer
  /** How a few rows are scored in less time than a message takes to a thread and back; absent where that takes too long. */
  readonly smallBatches?: {
    /**
     * Prepares a model, which may take long; null when it is too large, or too slow.
     * @throws DeepWatchError `model_corrupt`
     */
    prepare(payload: Uint8Array): PreparedForSmallBatch | null
    /** Takes in what `prepare` gave, in a few milliseconds at most; no call of the result does what could have been done here. */
    open(model: unknown): ScoreSmallBatch
  }
}
