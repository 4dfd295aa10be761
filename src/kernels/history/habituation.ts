import { oddsOf } from '../index.ts'

/** What a score has to be beside the trailing ones of its entity. */
export interface HabituationRule {
  /** Scores that are looked back at, at least 2. */
  readonly rows: number
  /** The threshold: what lies above would be flagged. */
  readonly line: number
}

/** How many times the odds of what has become usual a score must have. */
const novelty = 4
/** A score that is held back keeps this share of the line's odds at least, and its order. */
const band = 1 / 64

const OWN_BYTES = 300
const MIN_ROOM = 8

/**
 * Holds back scores of one entity that have become usual. A score above the line whose odds s / (1 - s) are at most
 * four times those that half of the trailing rows reach, or more, is moved to just below the line; the order among such scores
 * stays. The threshold is in effect the larger of the line and four times the trailing median: the drift of the
 * score is followed, as by Siffer, Fouque, Termier and Largouet (2017), "Anomaly Detection in Streams with Extreme Value
 * Theory", KDD, section 4.3, with a median that an incident shorter than half of the window cannot move. Meant for calibrated
 * scores, whose odds are a rarity.
 *
 * What comes out depends on the scores in the window alone, to the bit; nothing is held back before half of it is full.
 */
export class Habituation {
  private readonly rule: HabituationRule
  /** The last scores as they came; the next place is taken modulo the room. */
  private scores = new Float64Array(MIN_ROOM)
  private seen = 0

  /** @param stored scores to take first, see `store` */
  constructor(rule: HabituationRule, stored: Float64Array | null = null) {
    this.rule = rule
    for (const score of stored ?? []) this.see(score)
  }

  /** Memory this takes, roughly. */
  get bytes(): number {
    return OWN_BYTES + 8 * this.scores.length
  }

  /** Takes the next score, in [0, 1], and gives it back or, held back, one that is at most the line. */
  take(score: number): number {
    const { line } = this.rule
    const isUsual = score > line && this.isUsual(score)
    this.see(score)
    if (!isUsual) return score
    const [odds, lineOdds] = [oddsOf(score), oddsOf(line)]
    const held = lineOdds * (odds / (odds + band * lineOdds))
    return Math.min(line, held / (1 + held))
  }

  /** The scores in the window, oldest first. */
  store(): Float64Array {
    const count = this.count
    return Float64Array.from({ length: count }, (_, i) => this.scores[(this.seen - count + i) % this.rule.rows]!)
  }

  /** Takes a score that nobody asks about. */
  see(score: number): void {
    const { rows } = this.rule
    if (this.seen < rows && this.seen === this.scores.length) {
      const wider = new Float64Array(Math.min(2 * this.seen, rows))
      wider.set(this.scores)
      this.scores = wider
    }
    this.scores[this.seen % rows] = score
    this.seen++
  }

  private get count(): number {
    return Math.min(this.seen, this.rule.rows)
  }

  private isUsual(score: number): boolean {
    const needed = this.rule.rows / 2
    const count = this.count
    if (count < needed) return false
    const odds = oddsOf(score) / novelty
    const floor = odds / (1 + odds)
    let reached = 0
    for (let at = 0; at < count; at++) if (this.scores[at]! >= floor) reached++
    return reached >= needed
  }
}
