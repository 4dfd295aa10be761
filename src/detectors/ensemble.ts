import { z } from 'zod'
import { type Block, keepPrepared, oddsOf } from '../kernels/index.ts'
import {
  calibrate,
  createStatistic,
  decodeMixture,
  encodeMixture,
  type Mixture,
  memberScale,
  mixtureBounds,
  mixtureBytes,
  type Rule,
  rowMarks,
  rules,
} from '../kernels/models/index.ts'
import { createRandom, drawOrder, pickRows, type Sample, sampleOf, streams } from '../kernels/sampling/index.ts'
import type { Detector, DetectorWarning, EffectiveSettings, Scorer, TreeNode } from './detector.ts'
import { detector as extendedIsolationForest } from './extended-isolation-forest.ts'
import { detector as isolationForest } from './isolation-forest.ts'
import { detector as neighbours } from './k-nearest-neighbours.ts'
import { detector as mahalanobis } from './mahalanobis.ts'
import { clampSample, readPayload, requireFeatures, requireTree, sampleSizeSetting, seed } from './settings.ts'

const id = 'ensemble'

/** What can be a member. Stored models name one by its place here: only add at the end. */
const kinds: readonly Detector[] = [isolationForest, extendedIsolationForest, mahalanobis, neighbours]
const kindIds = kinds.map((kind) => kind.id)

/** All features, what is measured, and what follows from it. */
const maxViews = 3

const params = z
  .strictObject({
    type: z.literal(id),
    members: z
      .array(z.enum(kindIds))
      .min(2)
      .max(mixtureBounds.members / maxViews)
      .refine((ids) => new Set(ids).size === ids.length, 'must not name a detector twice')
      .default(kindIds)
      .describe('Detectors that are asked, each with its default settings'),
    combine: z
      .enum(rules)
      .default('soft')
      .describe(
        'What becomes of their scores on one scale: a soft maximum, the mean (members have to agree), or the maximum (one is enough)',
      ),
    views: z
      .boolean()
      .default(false)
      .describe(
        'Whether each member is asked three times: about all features, about those that are measured alone, and about those that follow from them or the time alone. Changes nothing where a model has no derived features',
      ),
    sampleSize: sampleSizeSetting('Rows the members learn from and are calibrated by', 65_536, 16_384),
    seed,
  })
  .meta({ title: 'Ensemble', examples: [{ type: id, members: kindIds, combine: 'soft', seed: 42 }] })

type Effective = EffectiveSettings & {
  members: readonly string[]
  combine: Rule
  /** Features of the view of what is measured; 0 when there is no view but that of all. */
  measured: number
  sampleSize: number
  /** Rows of the sample that nothing is fitted to; 0 when there are too few, and those of the fit calibrate. */
  heldBack: number
}

/** Below this a held-back share says too little, and is better learnt from. */
const minHeldBack = 32

/** Columns that a member looks at. */
interface View {
  readonly from: number
  readonly columns: number
}

/** A detector by its name, and its default settings. */
function kindOf(name: string) {
  const detector = kinds[kindIds.indexOf(name)]!
  return { detector, defaults: detector.params.parse({ type: name }) }
}

function viewsOf(measured: number, features: number): View[] {
  const all = { from: 0, columns: features }
  if (measured === 0) return [all]
  return [all, { from: 0, columns: measured }, { from: measured, columns: features - measured }]
}

/** The members with their settings, what they look at, the rows of each of their pieces, and which of the model's pieces are their own. */
function planMembers({ members, measured, sampleSize, heldBack }: Effective, features: number) {
  const learnt = sampleSize - heldBack
  let to = 0
  return viewsOf(measured, features).flatMap((view) =>
    members.map((name) => {
      const { detector, defaults } = kindOf(name)
      const { effective } = detector.resolve(defaults, { rows: learnt, features: view.columns })
      const rows = Math.min(learnt, detector.reservoirs(defaults).size)
      const from = to
      to += detector.pieces(effective)
      return { detector, effective, view, rows, from, to }
    }),
  )
}

let lastOrder = { rows: -1, seed: -1, order: new Uint32Array(0) }

/** The rows of a sample in a random order; the held-back ones are the first. All pieces of a model ask for the same one. */
function shuffled(rows: number, seed: number): Uint32Array {
  if (lastOrder.rows !== rows || lastOrder.seed !== seed)
    lastOrder = { rows, seed, order: drawOrder(rows, rows, createRandom(seed, streams.pick(0))) }
  return lastOrder.order
}

/** The held-back rows as a block; a sample of the others when there are none. */
function calibrationRows(sample: Sample, { heldBack }: Effective, seed: number): Block {
  const order = shuffled(sample.filled, seed)
  const rows = pickRows(sample, order.subarray(0, heldBack > 0 ? heldBack : mixtureBounds.heldBack))
  return { values: rows.values, stride: rows.size, rows: rows.size, columns: rows.columns }
}

/** The columns of a view, as a block of their own over the same memory. */
const look = ({ values, ...block }: Block, { from, columns }: View): Block => ({
  ...block,
  values: values.subarray(from * block.stride),
  columns,
})

function decode(payload: Uint8Array): Mixture {
  const mixture = decodeMixture(payload)
  for (const { kind } of mixture.members) if (kinds[kind] === undefined) throw new RangeError('a member is not known')
  return mixture
}

/** Checks the members too. @throws DeepWatchError `model_corrupt` */
function readWhole(payload: Uint8Array): Mixture {
  const mixture = readPayload(decode, payload)
  for (const { kind, payload: own, columns } of mixture.members) (kinds[kind] as Detector).check(own, columns)
  return mixture
}

const maxKeptBytes = 32 * 1024 * 1024

function prepare(payload: Uint8Array) {
  const { members, rule, heldBack } = readWhole(payload)
  const statistic = createStatistic(members, rule)
  return { members, statistic, shareBelow: calibrate(heldBack), bytes: payload.byteLength }
}

function createScorer(): Scorer {
  const scorers = kinds.map((kind) => kind.createScorer())
  const kept = keepPrepared<ReturnType<typeof prepare>>(maxKeptBytes, ({ bytes }) => bytes)
  return {
    score(input) {
      const { key, payload, block, from, to, fill, scores, flags } = input
      const { members, statistic, shareBelow } = kept.get(key, () => prepare(payload))
      const odds = members.map((member, m) => {
        scorers[member.kind]!.score({
          ...input,
          key: `${key}/${m}`,
          payload: member.payload,
          block: look(block, member),
          fill: fill?.subarray(member.from, member.from + member.columns) ?? null,
        })
        return scores.subarray(from, to).map(oddsOf)
      })
      let row = from
      const said = (m: number) => odds[m]![row - from]!
      for (; row < to; row++) {
        const isScored = flags[row]! <= rowMarks.filled
        scores[row] = isScored ? shareBelow(statistic(said)) : Number.NaN
      }
    },
  }
}

/** What reads each tree of the members that are forests, in their order. */
function treesOf(payload: Uint8Array): (() => readonly TreeNode[])[] {
  return readWhole(payload).members.flatMap(({ kind, payload: own }) => {
    const detector = kinds[kind] as Detector
    return Array.from({ length: detector.describe(own).trees ?? 0 }, (_, place) => () => detector.tree(own, place))
  })
}

/**
 * Several detectors as one. Each learns from three quarters of a sample of the training rows; what it says of the last
 * quarter puts it on a scale of its own (0 the median row, 1 the 95th percentile). The scores on that scale are
 * combined, and the combination is turned into a share: a score of 0.99 means that 99 of 100 training rows that were
 * held back are at most this strange. Beyond the strangest 128th of them it is an order more than a share: see
 * `calibrate`.
 */
export const detector: Detector<z.output<typeof params>> = {
  id,
  title: 'Ensemble',
  paper: 'Aggarwal, C. C. and Sathe, S. (2017), Outlier Ensembles, Springer; and the papers of its members',
  params,
  autoThreshold: 0.99,
  isCalibrated: true,
  reservoirs: ({ sampleSize }) => ({ count: 1, size: sampleSize }),
  maxBytes: ({ members, views, sampleSize }, features) =>
    (views ? maxViews : 1) *
      members.map(kindOf).reduce((sum, { detector, defaults }) => sum + detector.maxBytes(defaults, features), 0) +
    2 * mixtureBytes(maxViews * members.length) +
    // The rows of a piece, and those that calibrate.
    2 * 8 * features * sampleSize,
  resolve(given, { rows, features, measured = features }) {
    const sampleSize = clampSample(given.sampleSize, rows, 'An ensemble')
    const share = Math.min(mixtureBounds.heldBack, Math.floor(sampleSize / 4))
    const heldBack = share < minHeldBack ? 0 : share
    const hasViews = given.views && measured > 0 && measured < features
    const { members, combine } = given
    const effective = { type: id, members, combine, measured: hasViews ? measured : 0, sampleSize, heldBack }
    const warnings: DetectorWarning[] = []
    if (heldBack === 0) {
      const detail = `With ${sampleSize} rows none can be held back: the score is calibrated by the rows that were learnt from, and too high for new ones.`
      warnings.push({ code: 'not_held_back', detail })
    }
    for (const name of members) {
      const { detector, defaults } = kindOf(name)
      for (const warning of detector.resolve(defaults, { rows: sampleSize - heldBack, features }).warnings)
        warnings.push({ ...warning, detail: `${name}: ${warning.detail}` })
    }
    return { effective, warnings }
  },
  // How many there are does not depend on the features.
  pieces: (effective) => planMembers(effective as Effective, 1 + (effective as Effective).measured).at(-1)!.to,
  fitPiece(input) {
    const { sample, piece, seed, varying, deviations } = input
    const effective = input.effective as Effective
    const plan = planMembers(effective, sample.columns).find(({ to }) => piece < to)!
    const learnt = shuffled(sample.filled, seed).subarray(effective.heldBack)
    const drawn = drawOrder(learnt.length, plan.rows, createRandom(seed, streams.pick(piece + 1)))
    const { from, columns } = plan.view
    const own = pickRows(
      { ...sample, values: sample.values.subarray(from * sample.size, (from + columns) * sample.size), columns },
      drawn.map((place) => learnt[place] as number),
    )
    return plan.detector.fitPiece({
      ...input,
      sample: own,
      effective: plan.effective,
      varying: varying.map((column) => column - from).filter((column) => column >= 0 && column < columns),
      deviations: deviations.subarray(from, from + columns),
    })
  },
  join({ pieces, effective: settings, seed, features, samples }) {
    const effective = settings as Effective
    const sample = sampleOf(samples, 0)
    const block = calibrationRows(sample, effective, seed)
    const parts = planMembers(effective, features).map(({ detector, effective: own, view, from, to }) => {
      const { columns } = view
      const payload = detector.join({
        pieces: pieces.slice(from, to),
        effective: own,
        seed,
        features: columns,
        samples,
      })
      const scores = new Float64Array(block.rows)
      const room = { from: 0, to: block.rows, fill: null, scores, flags: new Uint8Array(block.rows) }
      detector.createScorer().score({ key: 'calibration', payload, block: look(block, view), ...room })
      const said = scores.map(oddsOf)
      return { kind: kinds.indexOf(detector), ...view, payload, said, ...memberScale(said.slice().sort()) }
    })
    const statistic = createStatistic(parts, effective.combine)
    const heldBack = Float64Array.from({ length: block.rows }, (_, r) =>
      statistic((m) => parts[m]?.said[r] as number),
    ).sort()
    return encodeMixture({ features, rule: effective.combine, members: parts, heldBack })
  },
  check: (payload, features) => requireFeatures(readWhole(payload).features, features),
  describe: (payload) => ({ bytes: payload.byteLength, trees: treesOf(payload).length }),
  tree(payload, index) {
    const trees = treesOf(payload)
    requireTree(index, trees.length)
    return (trees[index] as () => readonly TreeNode[])()
  },
  createScorer,
}
