/** `"detector": {"type": "auto"}`: the rule, what a version says of it, and what becomes of it where the rows do not carry windows. */
import { beforeAll, describe, expect, test } from 'vitest'
import { chooseAuto, type TelemetryShape } from '../../src/training/auto.ts'
import { startApp } from '../app.ts'
import {
  marks,
  post,
  type Result,
  type Row,
  scoreFile,
  scoreRows,
  train,
  fleet as twoMetrics,
  useService,
} from '../history/tools.ts'

/** With a third metric, so that there is something to move together. */
const fleet = (count: number, hosts?: string[]): Row[] =>
  twoMetrics(count, hosts).map((row, index) => ({ ...row, mem: 1 - Number(row['cpu']) + 0.01 * Math.sin(index) }))

const auto = { type: 'auto', seed: 1 }
const shape = (more: Partial<TelemetryShape> = {}): TelemetryShape => ({
  columns: ['cpu', 'mem', 'load'],
  hasTimestamp: true,
  rows: 1000,
  tied: 0,
  ownDerived: false,
  ...more,
})
const columns = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`)

beforeAll(async () => {
  useService((await startApp()).url)
})

describe('the rule', () => {
  test('looks at the shape alone', () => {
    expect(chooseAuto(shape(), 7)).toEqual(chooseAuto(shape(), 7))
    const { detector, derived, threshold, habituation } = chooseAuto(shape(), 7)
    const members = ['isolation-forest', 'mahalanobis']
    expect(detector).toMatchObject({ type: 'ensemble', members, combine: 'mean', views: true, seed: 7 })
    expect([threshold, habituation]).toEqual([{ value: 0.995 }, { window: 1000 }])
    expect(derived.filter(({ column }) => column === 'mem').map(({ derive, window }) => [derive, window])).toEqual([
      ['diff', 1],
      ['distance', 6],
      ['rollingStd', 6],
      ['distance', 30],
      ['rollingStd', 30],
    ])
  })

  test('derives less of many columns, and nothing of very many', () => {
    for (const [count, each] of [
      [2, 3],
      [3, 5],
      [51, 5],
      [52, 3],
      [85, 3],
      [86, 2],
      [128, 2],
      [129, 1],
      [256, 1],
      [257, 0],
    ] as const)
      expect(chooseAuto(shape({ columns: columns(count) }), 1).derived.length).toBe(count * each)
    expect(chooseAuto(shape({ columns: columns(1020) }), 1).detector.type).toBe('ensemble')
    expect(chooseAuto(shape({ columns: columns(1021) }), 1).detector.type).toBe('extended-isolation-forest')
  })

  test('makes no windows where there is no order, no length, no telling hosts apart, or the caller made some', () => {
    for (const [more, type, why] of [
      [{ hasTimestamp: false }, 'extended-isolation-forest', /no order/],
      [{ rows: 127 }, 'extended-isolation-forest', /127 rows are few/],
      [{ tied: 0.75 }, 'ensemble', /several entities/],
      [{ ownDerived: true }, 'ensemble', /itself/],
    ] as const) {
      const { detector, derived, choice } = chooseAuto(shape(more), 1)
      expect([detector.type, derived.length]).toEqual([type, 0])
      // Nothing is derived that could be a view of its own.
      expect(detector).toMatchObject(
        type === 'ensemble' ? { combine: 'soft', views: false } : { featureWeights: 'mixed' },
      )
      expect(choice.find(({ what }) => what === 'no derived features')?.why).toMatch(why)
    }
  })
})

describe('a version made by it', () => {
  test('says what was chosen and why, and keeps what was asked for', async () => {
    const version = await train('told', { rows: fleet(120), entity: 'host', detector: auto })
    const { detector, features, threshold, training } = version
    expect(detector).toMatchObject({
      type: 'ensemble',
      settings: auto,
      effective: {
        type: 'ensemble',
        members: ['isolation-forest', 'mahalanobis'],
        seed: 1,
        heldBack: expect.any(Number),
      },
    })
    expect(detector.choice!.map(({ what }) => what)).toEqual([
      'ensemble of isolation-forest and mahalanobis',
      expect.stringMatching(/^no derived features$/),
      'threshold 0.995, unless one is given',
      'habituation over 1000 rows, unless a contamination is given',
    ])
    // 30 rows of each host and as many after a pause are a third of these few.
    expect(detector.choice![1]!.why).toMatch(/^3\d\.\d % of the rows have too little history/)
    expect(features.map(({ name }) => name)).toEqual(['cpu', 'mem', 'requests'])
    expect(training.rowsWithoutHistory).toBeUndefined()
    expect(threshold).toMatchObject({ value: 0.995, rule: { value: 0.995 } })
  })

  test('scores rows sent one by one as the file, to the bit', async () => {
    const rows = fleet(400, ['a', 'c'])
    const version = await train('live', { rows, entity: 'host', detector: auto, timeFeatures: [] })
    expect(version.features).toHaveLength(18)
    expect(version.detector.effective).toMatchObject({ combine: 'mean', measured: 3 })
    expect(version.training.rowsWithoutHistory).toBe(60)
    expect(version.warnings.map(({ code }) => code)).toContain('rows_without_history')
    const some = rows.slice(0, 90)
    const file = await scoreFile('live', some)
    expect(file.filter(({ reason }) => reason === 'insufficient_history')).toHaveLength(60)
    const single: Result[] = []
    for (const row of some) single.push(...(await scoreRows('live', [row])))
    expect(marks(single)).toEqual(marks(file))
  })

  test('is the same for the same seed, and for other labels', async () => {
    const rows = fleet(400, ['a'])
    const labelled = (label: (row: number) => boolean) =>
      rows.map((row, index) => ({ ...row, bad: label(index) ? 1 : 0 }))
    const settings = { entity: 'host', label: 'bad', detector: auto }
    const one = await train('one', { rows: labelled((row) => row % 7 === 0), ...settings })
    const other = await train('other', { rows: labelled((row) => row > 300), ...settings })
    expect(other.payload.sha256).toBe(one.payload.sha256)
    expect(other.threshold).toEqual(one.threshold)
  })

  test('follows the caller: features that are named, windows of their own, threshold, guards', async () => {
    const rows = fleet(400, ['a'])
    const named = await train('named', { rows, entity: 'host', features: ['cpu'], detector: auto })
    expect(named.features.filter(({ kind }) => kind !== 'timeContext').map(({ name }) => name)).toEqual([
      'cpu',
      'diff(cpu, 1)',
      'distance(cpu, 12)',
      'rollingStd(cpu, 12)',
    ])
    expect(named.detector.type).toBe('extended-isolation-forest')
    expect(named.guards).toEqual({ level: named.threshold.value, derived: false })
    // A change that training never saw between two values that it did: with one metric the forest alone has to see it.
    const [low, high] = [named.features[0]!.profile.min!, named.features[0]!.profile.max!]
    const leap = fleet(60, ['a']).map((row, index) => ({ ...row, cpu: index % 2 === 0 ? low : high }))
    const leaps = await scoreRows('named', leap)
    expect(leaps.some(({ score }) => score !== null)).toBe(true)
    expect(leaps.every((result) => !('reasons' in result))).toBe(true)
    const beyond = await scoreRows('named', [{ ...fleet(61, ['a']).at(-1)!, cpu: high + 1 }])
    expect(beyond[0]).toMatchObject({ reasons: [{ reason: 'out_of_range', feature: 'cpu' }] })
    const features = ['cpu', { column: 'cpu', derive: 'lag' }]
    const threshold = { contamination: 0.02 }
    const own = await train('own', { rows, entity: 'host', features, detector: auto, threshold, guards: false })
    expect(own.features.map(({ name }) => name)).toEqual(['cpu', 'lag(cpu, 1)'])
    expect([own.threshold.rule, own.guards]).toEqual([threshold, null])
  })

  test('refuses settings that would do nothing', async () => {
    const { status, body } = await post('/train', {
      model: 'refused',
      rows: fleet(20),
      detector: { type: 'auto', trees: 10 },
    })
    expect([status, body['code']]).toEqual([422, 'validation_failed'])
  })
})

describe('rows that carry no windows', () => {
  const told = (version: Awaited<ReturnType<typeof train>>) => version.detector.choice!.map(({ why }) => why).join(' ')

  test('hosts in one series whose entity is not named, one after the other or at the same times', async () => {
    const both = fleet(200, ['a', 'c'])
    const after = [...both.filter(({ host }) => host === 'a'), ...both.filter(({ host }) => host === 'c')]
    const sorted = await train('sorted', { rows: after, features: ['cpu'], detector: auto })
    expect(told(sorted)).toMatch(/the order of rows/)
    expect(sorted.training.rowsUsed).toBe(400)
    const together = fleet(200, ['a']).flatMap((row): Row[] => [row, { ...row, cpu: 1 }, { ...row, cpu: 2 }])
    const tied = await train('tied', { rows: together, features: ['cpu'], detector: auto })
    expect(told(tied)).toMatch(/^.*67 % of the rows have the time of the row before/)
  })

  test('a column without any value does not cost the windows of the others', async () => {
    const rows = fleet(400, ['a']).map((row) => ({ ...row, gone: null, cpu: row['cpu']! }))
    const csv = ['ts,host,cpu,gone', ...rows.map((row) => `${row['ts' as keyof typeof row]},a,${row.cpu},`)].join('\n')
    const query = `model=gone&entity=host&detector=${encodeURIComponent(JSON.stringify(auto))}`
    const { status, body } = await post(`/train?${query}`, csv, 'text/csv')
    expect(status).toBe(201)
    const version = body as unknown as Awaited<ReturnType<typeof train>>
    expect(version.features.map(({ name }) => name)).toContain('distance(cpu, 12)')
    expect(version.features.map(({ name }) => name).join()).not.toContain('gone')
  })

  test('without a timestamp, and few of them', async () => {
    const rows = Array.from({ length: 20 }, (_, index) => ({ a: index % 7, b: index }))
    const version = await train('few', { rows, detector: auto })
    expect(version.detector.type).toBe('extended-isolation-forest')
    expect(version.detector.effective).toMatchObject({ trees: 300, columns: 1, featureWeights: 'mixed' })
    expect(version.threshold.rule).toEqual({ contamination: 0.01 })
  })
})
