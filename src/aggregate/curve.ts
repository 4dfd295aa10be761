/** Turns counts by score into what is drawn: the bars of the distribution, and precision against recall. */
import type { SourceAggregate } from '../reader/index.ts'
import type { ReportAggregate } from '../schemas/index.ts'

type Scores = SourceAggregate['scores']

/** Bars the distribution has at most, but for the one that the threshold cuts in two. */
const maxBars = 80
/** The curve has a point per this share of recall. */
const recallStep = 1 / 200

/** Bars of equal width over the scores there are; the threshold is always an edge. */
export function scoreBars(scores: Scores, threshold: number): ReportAggregate['scores'] {
  if (scores.length === 0) return []
  const first = scores[0]!.step
  const width = Math.max(1, Math.ceil((scores.at(-1)!.step + 1 - first) / maxBars))
  const bars = new Map<string, ReportAggregate['scores'][number]>()
  for (const { step, flagged, rows } of scores) {
    const index = Math.floor((step - first) / width)
    const key = `${index} ${flagged}`
    const from = (first + index * width) / 1000
    const to = Math.min((first + (index + 1) * width) / 1000, 1)
    const bar = bars.get(key) ?? {
      from: flagged ? Math.max(from, threshold) : from,
      to: flagged ? to : Math.min(to, Math.max(threshold, from)),
      rows: 0,
      flagged,
    }
    bars.set(key, { ...bar, rows: bar.rows + rows })
  }
  return [...bars.values()].sort((a, b) => a.from - b.from || Number(a.flagged) - Number(b.flagged))
}

/** The counts at the threshold, and precision against recall; null when no row is labelled. */
export function judgeLabels(scores: Scores): ReportAggregate['labels'] {
  const confusion = { tp: 0, fp: 0, tn: 0, fn: 0 }
  let unlabelled = 0
  for (const { flagged, label, rows } of scores) {
    if (label === null) unlabelled += rows
    else if (label === 1) confusion[flagged ? 'tp' : 'fn'] += rows
    else confusion[flagged ? 'fp' : 'tn'] += rows
  }
  const { tp, fp, tn, fn } = confusion
  if (tp + fp + tn + fn === 0) return null
  return { confusion, unlabelled, curve: tp + fn === 0 || fp + tn === 0 ? [] : curve(scores, confusion) }
}

/** Walks from the highest score down. Every point is exact: it is what a threshold there would give. */
function curve(scores: Scores, { tp, fp, fn }: { tp: number; fp: number; fn: number }) {
  const points: { recall: number; precision: number }[] = []
  const anomalies = tp + fn
  let [found, alarms, next] = [0, 0, 0]
  const put = () => points.push({ recall: found / anomalies, precision: found / (found + alarms) })
  const judged = scores.filter(({ label }) => label !== null).toReversed()
  judged.forEach((group, index) => {
    if (group.label === 1) found += group.rows
    else alarms += group.rows
    const after = judged[index + 1]
    // Rows of equal score are never told apart.
    if (after && after.step === group.step && after.tail === group.tail && after.flagged === group.flagged) return
    const isOperatingPoint = group.flagged && !after?.flagged && found === tp && alarms === fp
    if (found / anomalies < next && !isOperatingPoint && after) return
    if (found === 0) return
    put()
    next = found / anomalies + recallStep
  })
  return points
}
