import { describe, expect, test } from 'vitest'
import { TIME_CONTEXT_COLUMNS, type ZoneTransitions } from '../../src/kernels/history/time-context.ts'
import type { FeatureBlock } from '../../src/reader/types.ts'
import { readRows } from '../../src/telemetry/json-rows.ts'
import { createTimeContext } from '../../src/telemetry/time-context.ts'
import { isTimeZone, zoneTransitions } from '../../src/time/time-zone.ts'
import { startBench, writeParquet } from '../reader/tools.ts'

const zones = [...Intl.supportedValuesOf('timeZone'), 'UTC', 'Etc/GMT+12', 'Europe/Kyiv']
const DAY = 86_400

function offsetAt({ utc, offset }: ZoneTransitions, second: number): number {
  const next = utc.findIndex((from) => from > second)
  return offset[Math.max(0, (next === -1 ? utc.length : next) - 1)]!
}

/** Local wall clock by the run-time's own calendar: the oracle. */
function wallClock(zone: string): (second: number) => { second: number; dayOfWeek: number } {
  const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  return (second) => {
    const text = format.format(second * 1000)
    const [, hour, minute, rest] = /(\d\d):(\d\d):(\d\d)/.exec(text) as unknown as string[]
    return {
      second: Number(hour) * 3600 + Number(minute) * 60 + Number(rest),
      dayOfWeek: days.indexOf(text.slice(0, 3)),
    }
  }
}

describe('zone transitions', () => {
  test('every IANA zone agrees with the calendar before, at and after each change', () => {
    expect(zones.length).toBeGreaterThan(300)
    for (const zone of zones) {
      const transitions = zoneTransitions(zone)
      const oracle = wallClock(zone)
      expect(transitions.utc.length).toBe(transitions.offset.length)
      expect(transitions.utc[0]).toBe(0)
      // All changes of a few years, and every tenth of the others.
      const changes = transitions.utc.filter((at, i) => i % 10 === 0 || (at > 1.7e9 && at < 1.9e9))
      for (const at of changes) {
        for (const second of [at - 1, at, at + 1, at + 3599, at + 3600]) {
          if (second < 0) continue
          const local = second + offsetAt(transitions, second)
          const { second: expected, dayOfWeek } = oracle(second)
          const day = Math.floor(local / DAY)
          if (local - day * DAY !== expected || (((day + 3) % 7) + 7) % 7 !== dayOfWeek) {
            expect.fail(`${zone} at ${second}: ${local - day * DAY} is not ${expected}`)
          }
        }
      }
    }
  })

  test('no change hides between two looks', () => {
    for (const zone of [
      'Africa/Casablanca',
      'Asia/Gaza',
      'Africa/Cairo',
      'Antarctica/Troll',
      'America/Argentina/San_Luis',
    ]) {
      const transitions = zoneTransitions(zone)
      const oracle = wallClock(zone)
      for (let second = 0; second < 4.1e9; second += 2.5 * DAY) {
        const local = second + offsetAt(transitions, second)
        if (local - Math.floor(local / DAY) * DAY !== oracle(second).second) expect.fail(`${zone} at ${second}`)
      }
    }
  })

  test('a name that is no zone is refused', () => {
    for (const name of ['', 'Mars/Olympus', '+02:00', 'UTC\0', '../etc', 'Europe/Prague; drop', 'x'.repeat(100)]) {
      expect(isTimeZone(name)).toBe(false)
    }
    for (const name of ['UTC', 'Europe/Prague', 'America/Argentina/Buenos_Aires', 'Etc/GMT+12']) {
      expect(isTimeZone(name)).toBe(true)
    }
  })
})

/** The one block of a short stream, read to its end. */
async function firstOf(blocks: AsyncIterable<FeatureBlock>): Promise<FeatureBlock> {
  let first: FeatureBlock | null = null
  for await (const block of blocks) first ??= block
  if (first === null) throw new Error('no block')
  return first
}

describe('the two doors', () => {
  test('a file and JSON rows give equal values to the bit in every zone, both clock changes included', async () => {
    // Every half hour of the days around the clock changes of both hemispheres, and an instant a month for 130 years.
    const seconds: number[] = []
    for (const day of ['2025-03-08', '2025-03-29', '2025-04-05', '2025-10-04', '2025-10-25', '2025-11-01']) {
      for (let half = 0; half < 96; half++) seconds.push(Date.parse(`${day}T00:00:00Z`) / 1000 + half * 1800)
    }
    for (let month = -24; month < 1560; month++) seconds.push(month * 2_629_746 + 1)
    const bench = await startBench()
    const list = seconds.map((second, i) => `(make_timestamp(${second * 1e6 + (i % 1000)}), ${i})`).join(', ')
    await writeParquet(`${bench.root}/times.parquet`, `select * from (values ${list}) t(ts, n) order by n`)
    const rows = seconds.map((second, i) => {
      const micros = String(i % 1000).padStart(6, '0')
      return { ts: `${new Date(second * 1000).toISOString().slice(0, 19)}.${micros}Z` }
    })
    const session = await bench.open('times.parquet')
    const features = TIME_CONTEXT_COLUMNS.map((timeContext) => ({ timeContext }))
    let compared = 0
    for (const zone of zones) {
      const query = { features, timestamp: 'ts', transitions: zoneTransitions(zone) }
      const file = await firstOf(session.features(query))
      const json = await firstOf(readRows(rows).features(query))
      expect(file.block.rows).toBe(seconds.length)
      for (let lane = 0; lane < 4; lane++) {
        for (let row = 0; row < seconds.length; row++) {
          const one = file.block.values[lane * file.block.stride + row]
          const other = json.block.values[lane * json.block.stride + row]
          if (!Object.is(one, other)) return expect.fail(`${zone}: ${one} is not ${other} at ${seconds[row]}`)
          compared++
        }
      }
      file.release()
    }
    expect(compared).toBe(zones.length * 4 * seconds.length)
    await session.close()
  })
})

describe('time context', () => {
  const micros = (text: string): number => Date.parse(text) * 1000

  test('both clock changes of Prague 2025 give every instant its own wall clock', () => {
    const context = createTimeContext(zoneTransitions('Europe/Prague'))
    const hourOf = (text: string): number => {
      const angle = Math.atan2(context.value('hour_sin', micros(text)), context.value('hour_cos', micros(text)))
      return Math.round(((angle < 0 ? angle + 2 * Math.PI : angle) / (2 * Math.PI)) * 86_400) / 3600
    }
    expect(hourOf('2025-03-30T00:59:59Z')).toBeCloseTo(1 + 3599 / 3600, 9)
    expect(hourOf('2025-03-30T01:00:00Z')).toBe(3)
    expect(hourOf('2025-10-26T00:30:00Z')).toBe(2.5)
    expect(hourOf('2025-10-26T01:30:00Z')).toBe(2.5)
    expect(hourOf('2025-10-26T02:30:00Z')).toBe(3.5)
  })

  test('midnight is next to 23:59:59 and Sunday next to Monday', () => {
    const context = createTimeContext(zoneTransitions('UTC'))
    const distance = (
      lanes: readonly ['hour_sin' | 'day_of_week_sin', 'hour_cos' | 'day_of_week_cos'],
      a: string,
      b: string,
    ) => Math.hypot(...lanes.map((lane) => context.value(lane, micros(a)) - context.value(lane, micros(b))))
    expect(distance(['hour_sin', 'hour_cos'], '2025-01-01T23:59:59Z', '2025-01-02T00:00:00Z')).toBeLessThan(1e-4)
    const step = distance(['day_of_week_sin', 'day_of_week_cos'], '2025-01-05T12:00:00Z', '2025-01-06T12:00:00Z')
    expect(step).toBeCloseTo(
      distance(['day_of_week_sin', 'day_of_week_cos'], '2025-01-07T12:00:00Z', '2025-01-08T12:00:00Z'),
      12,
    )
  })

  test('hostile instants: none, before 1970, far away, at the edge of exact numbers', () => {
    const context = createTimeContext(zoneTransitions('Asia/Kathmandu'))
    for (const lane of TIME_CONTEXT_COLUMNS) {
      for (const instant of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, -(2 ** 53)]) {
        expect(context.value(lane, instant)).toBeNaN()
      }
      for (const instant of [
        -1,
        0,
        -0,
        Number.MAX_SAFE_INTEGER,
        Number.MIN_SAFE_INTEGER,
        micros('1700-01-01T00:12:43Z'),
      ]) {
        expect(Math.abs(context.value(lane, instant))).toBeLessThanOrEqual(1)
      }
    }
    const utc = createTimeContext(zoneTransitions('UTC'))
    // One microsecond before a whole second still belongs to the second before, as far as doubles reach.
    for (const second of [1, 1.7e9, 9_007_199_254]) {
      expect(Object.is(utc.value('hour_sin', second * 1e6 - 1), utc.value('hour_sin', (second - 1) * 1e6))).toBe(true)
    }
  })

  test('a value does not depend on the order of the instants', () => {
    const rising = createTimeContext(zoneTransitions('America/New_York'))
    const other = createTimeContext(zoneTransitions('America/New_York'))
    const times = Array.from({ length: 4_000 }, (_, i) => ((i * 2_654_435_761) % 4.1e9) * 1e6)
    for (const part of TIME_CONTEXT_COLUMNS) {
      const expected = new Map([...times].sort((a, b) => a - b).map((time) => [time, rising.value(part, time)]))
      for (const time of times) expect(Object.is(other.value(part, time), expected.get(time))).toBe(true)
    }
  })
})
