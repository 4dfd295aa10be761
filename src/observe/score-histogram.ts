/** The histogram of scores. prom-client takes one value at a time; a scored source is counted first and added whole. */

/** Upper bounds of the buckets. Scores near 0.5 are usual, above 0.6 rare. */
const bounds = [0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1]

/** Scores counted by bucket: bucket i holds those of at most `bounds[i]` and above the bound before. */
export class ScoreTally {
  readonly buckets = new Array<number>(bounds.length).fill(0)
  sum = 0
  count = 0

  /** Counts the first `rows` scores; NaN, an unscored row, is passed over. */
  addScores(scores: Float64Array, rows: number): void {
    const { buckets } = this
    let { sum, count } = this
    for (let row = 0; row < rows; row++) {
      const score = scores[row]!
      if (Number.isNaN(score)) continue
      let bucket = 0
      while (score > bounds[bucket]!) bucket++
      if (bucket < buckets.length) buckets[bucket]!++
      sum += score
      count++
    }
    this.sum = sum
    this.count = count
  }

  add({ buckets, sum, count }: ScoreTally): void {
    for (let bucket = 0; bucket < buckets.length; bucket++) this.buckets[bucket]! += buckets[bucket]!
    this.sum += sum
    this.count += count
  }
}

/** A histogram by model, in the shape that a registry of prom-client prints. */
export class ScoreHistogram {
  readonly name = 'deepwatch_anomaly_score'
  readonly help = 'Anomaly scores given, higher is stranger'
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #tallies = new Map<string, ScoreTally>()

  /** What the scores of a model are added to; shown from the first call on. */
  of(model: string): ScoreTally {
    const tally = this.#tallies.get(model) ?? new ScoreTally()
    this.#tallies.set(model, tally)
    return tally
  }

  remove(model: string): void {
    this.#tallies.delete(model)
  }

  reset(): void {
    this.#tallies.clear()
  }

  async get() {
    const { name, help, type, aggregator } = this
    const values = [...this.#tallies].flatMap(([model, tally]) => seriesOf(name, model, tally))
    return { name, help, type, aggregator, values }
  }
}

function seriesOf(name: string, model: string, { buckets, sum, count }: ScoreTally) {
  const value = (suffix: string, labels: Readonly<Record<string, string | number>>, value: number) => ({
    metricName: `${name}_${suffix}`,
    labels: { ...labels, model },
    value,
    exemplar: null,
  })
  const upTo = (bucket: number) => buckets.slice(0, bucket + 1).reduce((all, scores) => all + scores, 0)
  return [
    ...bounds.map((le, bucket) => value('bucket', { le }, upTo(bucket))),
    value('bucket', { le: '+Inf' }, count),
    value('sum', {}, sum),
    value('count', {}, count),
  ]
}
