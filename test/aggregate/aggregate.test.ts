/** The counts a report is drawn from, against a twin that holds all rows in memory and counts them one by one. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { judgeLabels, scoreBars } from '../../src/aggregate/curve.ts'
import { aggregateRows } from '../../src/aggregate/rows.ts'
import type { AggregateQuery, FeatureQuery, SourceAggregate } from '../../src/reader/types.ts'
import { createScratch } from '../../src/sources/scratch.ts'
import { zoneTransitions } from '../../src/time/time-zone.ts'
import { rememberBlocks } from '../../src/training/remembered.ts'
import { type Bench, codeOf, startBench, writeParquet } from '../reader/tools.ts'

interface Row {
  readonly ts: number | null
  readonly host: string | null
  readonly label: number | null
  readonly a: number | null
  readonly b: boolean
  readonly score: number
}

const start = Date.UTC(2026, 9, 24) * 1000
const threshold = 0.8
const zone = 'Europe/Prague'

/** Two days around the end of summer time, with everything in them that can be missing. */
const rows: Row[] = Array.from({ length: 700 }, (_, i) => ({
  ts: i % 53 === 7 ? null : start + i * 250_000_000,
  host: i % 41 === 3 ? null : `h"${i % 9}`,
  label: i % 17 === 5 ? null : Number(i % 23 === 1),
  a: i % 29 === 4 ? null : i % 97 === 9 ? Number.POSITIVE_INFINITY : i % 89 === 11 ? Number.NaN : Math.sin(i) * 10,
  b: i % 3 === 0,
  score: i % 31 === 2 ? Number.NaN : i % 101 === 50 ? 0.9999 : 0.4 + 0.0007 * ((i * 37) % 700),
}))

const literal = (value: number | null) =>
  value === null
    ? 'null'
    : Number.isNaN(value)
      ? `'nan'::double`
      : Number.isFinite(value)
        ? `${value}::double`
        : `'inf'::double`

let bench: Bench
let scoresPath: string
const query = (more: Partial<AggregateQuery> = {}): AggregateQuery => ({
  scoresPath,
  threshold,
  timestamp: 'ts',
  entity: 'ho"st',
  label: 'label',
  buckets: { first: start, width: 3600e6, count: 49 },
  transitions: zoneTransitions(zone),
  features: [
    { name: 'a', low: -8, high: 8, usualLow: -5, usualHigh: 5 },
    { name: 'b', low: -0.5, high: 1.5, usualLow: 0, usualHigh: 0 },
  ],
  bins: 16,
  topRows: 5,
  topEntities: 200,
  ...more,
})

async function aggregate(more: Partial<AggregateQuery> = {}): Promise<SourceAggregate> {
  const session = await bench.open('rows.parquet')
  try {
    return await session.aggregate(query(more))
  } finally {
    await session.close()
  }
}

beforeAll(async () => {
  bench = await startBench()
  const values = rows.map(
    ({ ts, host, label, a, b }) =>
      `(${ts === null ? 'null::timestamp' : `make_timestamp(${ts})`}, ${host === null ? 'null' : `'${host}'`}, ${label === null ? 'null' : label === 1}, ${literal(a)}, ${b})`,
  )
  await writeParquet(
    join(bench.root, 'rows.parquet'),
    `select * from (values ${values.join(', ')}) t(ts, "ho""st", label, a, b)`,
  )
  scoresPath = join(bench.home, 'scores')
  writeFileSync(
    scoresPath,
    Float64Array.from(rows, ({ score }) => score),
  )
})

const scored = rows.filter(({ score }) => !Number.isNaN(score))
const flagged = rows.filter(({ score }) => score > threshold)
const countBy = <Key>(list: readonly Row[], key: (row: Row) => Key) => {
  const counts = new Map<Key, number>()
  for (const row of list) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1)
  return counts
}

describe('an aggregate says of a source what its rows say', () => {
  test('by score, label and flag, in rising order', async () => {
    const { scores, unscored } = await aggregate()
    expect(unscored).toBe(rows.length - scored.length)
    const key = (row: Row) => `${Math.min(Math.floor(row.score * 1000), 999)} ${row.score > threshold} ${row.label}`
    const seen = new Map<string, number>()
    for (const { step, flagged, label, rows } of scores) {
      const name = `${step} ${flagged} ${label}`
      seen.set(name, (seen.get(name) ?? 0) + rows)
    }
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(countBy(scored, key)))
    const order = scores.map(({ step, tail }) => step * 2048 + tail)
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect(scores.at(-1)).toMatchObject({ step: 999, tail: 400, flagged: true })
  })

  test('by bucket: rows, flags, labels, highest and mean score', async () => {
    const { buckets } = await aggregate()
    const of = (row: Row) => Math.floor((row.ts! - start) / 3600e6)
    const timed = rows.filter(({ ts }) => ts !== null)
    expect(buckets.map(({ index }) => index)).toEqual([...new Set(timed.map(of))].sort((a, b) => a - b))
    for (const bucket of buckets) {
      const own = timed.filter((row) => of(row) === bucket.index)
      const scores = own.map(({ score }) => score).filter((score) => !Number.isNaN(score))
      expect(bucket).toMatchObject({
        rows: own.length,
        flagged: own.filter(({ score }) => score > threshold).length,
        labelled: own.filter(({ label }) => label === 1).length,
        highest: Math.max(...scores),
      })
      expect(bucket.mean).toBeCloseTo(scores.reduce((sum, score) => sum + score, 0) / scores.length, 12)
    }
  })

  test("by hour of the week in the model's own zone, the change of the clock included", async () => {
    const { hours } = await aggregate()
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      hourCycle: 'h23',
    })
    const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
    const hourOf = ({ ts }: Row) => {
      const parts = Object.fromEntries(format.formatToParts(ts! / 1000).map(({ type, value }) => [type, value]))
      return days.indexOf(parts['weekday']!) * 24 + Number(parts['hour'])
    }
    const expected = countBy(
      flagged.filter(({ ts }) => ts !== null),
      hourOf,
    )
    expect(Object.fromEntries(hours.map(({ hour, flagged }) => [hour, flagged]))).toEqual(Object.fromEntries(expected))
  })

  test('values of flagged rows in bins, below and above what is usual, and missing', async () => {
    const { flaggedValues } = await aggregate()
    const [a] = flaggedValues
    const values = flagged.map((row) => row.a)
    const known = values.filter((value) => value !== null && !Number.isNaN(value)) as number[]
    const counts = Array<number>(18).fill(0)
    for (const value of known) counts[value < -8 ? 0 : value > 8 ? 17 : 1 + Math.min(Math.floor(value + 8), 15)]!++
    expect(a).toEqual({
      counts,
      missing: values.length - known.length,
      belowUsual: known.filter((value) => value < -5).length,
      aboveUsual: known.filter((value) => value > 5).length,
    })
    const truths = flagged.filter(({ b }) => b).length
    expect(flaggedValues[1]).toMatchObject({ missing: 0, belowUsual: 0, aboveUsual: truths })
  })

  test('the rows with the highest scores, the earlier first among equals', async () => {
    const { top } = await aggregate()
    const order = rows.map((row, index) => ({ ...row, index })).filter(({ score }) => !Number.isNaN(score))
    order.sort((x, y) => y.score - x.score || x.index - y.index)
    expect(top).toEqual(
      order.slice(0, 5).map(({ index, score, ts, host, label, a, b }) => ({
        row: index,
        score,
        time: ts,
        entity: host,
        label,
        values: [a === null || !Number.isFinite(a) ? null : a, Number(b)],
      })),
    )
  })

  test('entities by their flags, and how many others there are', async () => {
    const { entities } = await aggregate({ topEntities: 3 })
    const counts = countBy(
      flagged.filter(({ host }) => host !== null),
      ({ host }) => host!,
    )
    const most = [...counts.values()].sort((a, b) => b - a).slice(0, 3)
    expect(entities!.named.map((entity) => entity.flagged)).toEqual(most)
    for (const { entity, rows: all, flagged: own } of entities!.named) {
      expect(all).toBe(rows.filter(({ host }) => host === entity).length)
      expect(own).toBe(counts.get(entity))
    }
    expect(entities!.others).toBe(6)
    expect(entities!.othersFlagged).toBe(flagged.length - most.reduce((sum, each) => sum + each, 0))
  })

  test('in a window rows keep their places in the source', async () => {
    const window = { from: start + 100 * 250_000_000, to: start + 200 * 250_000_000, exclude: [] }
    const inside = rows
      .map((row, index) => ({ ...row, index }))
      .filter(({ ts }) => ts !== null && ts >= window.from && ts < window.to)
    const path = join(bench.home, 'window-scores')
    writeFileSync(
      path,
      Float64Array.from(inside, ({ score }) => score),
    )
    const { top, scores, unscored } = await aggregate({ window, scoresPath: path })
    expect(scores.reduce((sum, group) => sum + group.rows, unscored)).toBe(inside.length)
    const best = inside.filter(({ score }) => !Number.isNaN(score)).sort((x, y) => y.score - x.score)[0]!
    expect(top[0]).toMatchObject({ row: best.index, score: best.score })
  })

  test('without a timestamp the course goes by rows, and nothing is asked of entities and labels that are not there', async () => {
    const found = await aggregate({
      timestamp: undefined,
      entity: undefined,
      label: undefined,
      buckets: { first: 0, width: 100, count: 7 },
      features: [],
    })
    expect(found.buckets.map(({ index, rows }) => [index, rows])).toEqual(Array.from({ length: 7 }, (_, i) => [i, 100]))
    expect(found).toMatchObject({ hours: [], entities: null, flaggedValues: [] })
    expect(new Set(found.scores.map(({ label }) => label))).toEqual(new Set([null]))
  })
})

describe('blocks that were read for something else say the same', () => {
  const read: FeatureQuery = {
    features: [
      { timeContext: 'hour_sin' },
      { name: 'b', kind: 'boolean' },
      { name: 'a', kind: 'number' },
      { timeContext: 'hour_cos' },
    ],
    timestamp: 'ts',
    transitions: zoneTransitions(zone),
    extra: { timestamp: true, label: 'label', labelUnchecked: true },
  }
  const both = async (more: Partial<AggregateQuery>, how: FeatureQuery, file = 'rows.parquet') => {
    const asked = query({ entity: undefined, ...more })
    const session = await bench.open(file)
    try {
      const remembered = rememberBlocks(session, 1e6)
      for await (const { release } of remembered.features(how)) release()
      expect(remembered.remembers(how)).toBe(true)
      const scratch = { ...createScratch(bench.home), readScores: () => scoresIn(asked.scoresPath) }
      const blocks = aggregateRows(remembered, scratch, asked, how)
      const code = await codeOf(blocks)
      if (code !== 'none') return expect(await codeOf(session.aggregate(asked))).toBe(code)
      expect(await blocks).toEqual(await session.aggregate(asked))
    } finally {
      await session.close()
    }
  }
  /** The scores of a file, as a scratch folder hands them out. */
  const scoresIn = async (path: string) => {
    let rest = new Float64Array(Uint8Array.from(readFileSync(path)).buffer)
    const next = async (scores: Float64Array) => {
      scores.set(rest.subarray(0, scores.length))
      rest = rest.subarray(scores.length)
    }
    return { next, close: async () => {} }
  }

  test('all rows', () => both({}, read))
  test('without labels', () => both({ label: undefined }, { ...read, extra: { timestamp: true } }))
  test('without a time', () =>
    both(
      { timestamp: undefined, buckets: { first: 0, width: 100, count: 7 } },
      { features: read.features.slice(1, 3), extra: { label: 'label', labelUnchecked: true } },
    ))
  test('a window', async () => {
    const window = { from: start + 100 * 250_000_000, to: start + 200 * 250_000_000, exclude: [] }
    const inside = rows.filter(({ ts }) => ts !== null && ts >= window.from && ts < window.to)
    const path = join(bench.home, 'some-scores')
    writeFileSync(
      path,
      Float64Array.from(inside, ({ score }) => score),
    )
    await both({ window, scoresPath: path }, { ...read, window, extra: { ...read.extra, row: true } })
  })
  test('a label that is none', async () => {
    const odd = 'select i::double as a, false as b, i % 4 as label, now()::timestamp as ts from range(4) t(i)'
    await writeParquet(join(bench.root, 'odd-label.parquet'), odd)
    const path = join(bench.home, 'four-scores')
    writeFileSync(path, Float64Array.of(0.1, 0.2, 0.3, 0.4))
    await both({ scoresPath: path }, read, 'odd-label.parquet')
  })
})

test('a label that is none, and scores that are not as many as rows, are errors', async () => {
  const odd =
    'select i::double as a, false as b, i % 4 as label, \'x\' as "ho""st", now()::timestamp as ts from range(4) t(i)'
  await writeParquet(join(bench.root, 'odd.parquet'), odd)
  const session = await bench.open('odd.parquet')
  const path = join(bench.home, 'four')
  writeFileSync(path, Float64Array.of(0.1, 0.2, 0.3, 0.4))
  expect(await codeOf(session.aggregate(query({ scoresPath: path })))).toBe('type_mismatch')
  await session.close()
  const other = await bench.open('odd.parquet')
  writeFileSync(path, Float64Array.of(0.1, 0.2, 0.3))
  expect(await codeOf(other.aggregate(query({ scoresPath: path, label: undefined })))).toBe('internal_error')
  await other.close()
})

test('the bars of the distribution hold every row once, and the threshold is always an edge', async () => {
  const { scores } = await aggregate()
  const bars = scoreBars(scores, threshold)
  expect(bars.reduce((sum, bar) => sum + bar.rows, 0)).toBe(scored.length)
  for (const bar of bars) {
    expect(bar.from).toBeLessThan(bar.to)
    if (bar.flagged) expect(bar.from).toBeGreaterThanOrEqual(threshold)
    else expect(bar.to).toBeLessThanOrEqual(threshold + 1e-9)
  }
})

test('every point of the curve is what some threshold gives, and the operating point is one of them', async () => {
  const { scores } = await aggregate()
  const { confusion, curve, unlabelled } = judgeLabels(scores)!
  const judged = scored.filter(({ label }) => label !== null)
  const count = (isFlagged: boolean, label: number) =>
    judged.filter((row) => row.score > threshold === isFlagged && row.label === label).length
  expect(confusion).toEqual({ tp: count(true, 1), fp: count(true, 0), tn: count(false, 0), fn: count(false, 1) })
  expect(unlabelled).toBe(scored.length - judged.length)
  const anomalies = judged.filter(({ label }) => label === 1).length
  const possible = new Set(
    judged.map(({ score: least }) => {
      const above = judged.filter(({ score }) => score >= least)
      const found = above.filter(({ label }) => label === 1).length
      return `${found / anomalies} ${found / above.length}`
    }),
  )
  for (const { recall, precision } of curve) expect(possible).toContain(`${recall} ${precision}`)
  const { tp, fp } = confusion
  expect(curve).toContainEqual({ recall: tp / anomalies, precision: tp / (tp + fp) })
  expect(curve.length).toBeLessThanOrEqual(202)
})
