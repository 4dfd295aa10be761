/** Generated telemetry: the same for a seed however it is cut, alive like a fleet, with incidents that can be seen. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type IncidentKind, incidentKinds } from '../../src/generate/incidents.ts'
import { metricNames } from '../../src/generate/metrics.ts'
import { type Batch, createBatch, createTelemetry, type FleetSettings } from '../../src/generate/telemetry.ts'
import { cli, startCli } from '../cli/tools.ts'
import { freshFolder } from '../endings.ts'

const fleet: FleetSettings = {
  hosts: 6,
  start: Date.UTC(2026, 0, 5) / 1000,
  interval: 300,
  seed: 7,
  incidentRate: 0.05,
  incidents: incidentKinds,
  seconds: 40 * 86_400,
  rows: Number.MAX_SAFE_INTEGER,
}

/** All rows, in batches of this size, as one batch. */
function collect(settings: FleetSettings, batchRows = 10_000): Batch {
  const telemetry = createTelemetry(settings)
  const batch = createBatch(batchRows)
  const times: number[] = []
  const hosts: number[] = []
  const incidents: number[] = []
  const values: number[][] = metricNames.map(() => [])
  for (;;) {
    telemetry.next(batch)
    if (batch.rows === 0) break
    for (let row = 0; row < batch.rows; row++) {
      times.push(batch.times[row]!)
      hosts.push(batch.hosts[row]!)
      incidents.push(batch.incidents[row]!)
      values.forEach((column, metric) => {
        column.push(batch.values[metric]![row]!)
      })
    }
  }
  return {
    rows: times.length,
    times: Float64Array.from(times),
    hosts: Uint32Array.from(hosts),
    incidents: Uint8Array.from(incidents),
    values: values.map((column) => Float64Array.from(column)),
  }
}

const whole = collect(fleet)
const twin = collect({ ...fleet, incidentRate: 0 })
const metric = (name: (typeof metricNames)[number]) => metricNames.indexOf(name)
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  a.forEach((value, index) => {
    ab += (value - ma) * (b[index]! - mb)
    aa += (value - ma) ** 2
    bb += (b[index]! - mb) ** 2
  })
  return ab / Math.sqrt(aa * bb)
}

/** Values of one host without incidents. */
function hostRows(batch: Batch, host: number, name: (typeof metricNames)[number]): number[] {
  const column = batch.values[metric(name)]!
  return [...column].filter((_, row) => batch.hosts[row] === host)
}

describe('the run', () => {
  test('does not depend on the size of the batches', () => {
    expect(whole.rows).toBeGreaterThan(60_000)
    for (const size of [1, 999, 65_536]) {
      const other = collect({ ...fleet, rows: 5_000 }, size)
      expect(other.rows).toBe(5_000)
      expect(other.times).toEqual(whole.times.subarray(0, 5_000))
      expect(other.hosts).toEqual(whole.hosts.subarray(0, 5_000))
      expect(other.incidents).toEqual(whole.incidents.subarray(0, 5_000))
      other.values.forEach((column, index) => {
        expect(column).toEqual(whole.values[index]!.subarray(0, 5_000))
      })
    }
  })

  test('is another one for another seed', () => {
    expect(collect({ ...fleet, seed: 8, rows: 1_000 }).values[0]).not.toEqual(whole.values[0]!.subarray(0, 1_000))
  })

  test('is sorted by time, then host, without a row twice', () => {
    for (let row = 1; row < whole.rows; row++) {
      const later = whole.times[row]! - whole.times[row - 1]!
      if (later < 0 || (later === 0 && whole.hosts[row]! <= whole.hosts[row - 1]!))
        throw new Error(`row ${row} is out of order`)
    }
    const { hosts } = createTelemetry(fleet)
    expect([...hosts].sort()).toEqual(hosts)
    expect(new Set(hosts).size).toBe(6)
  })

  test('has gaps, and finite values in their bounds', () => {
    const possible = 6 * 40 * 288
    expect(whole.rows).toBeLessThan(possible)
    expect(whole.rows).toBeGreaterThan(0.98 * possible)
    for (const column of whole.values) for (const value of column) if (!(value >= 0)) throw new Error(String(value))
    for (const name of ['cpu_percent', 'memory_percent', 'disk_busy_percent'] as const) {
      expect(Math.max(...whole.values[metric(name)]!)).toBeLessThanOrEqual(100)
    }
  })
})

describe('a host', () => {
  test('works by day and in the week', () => {
    for (let host = 0; host < 6; host++) {
      const cpu = hostRows(twin, host, 'cpu_percent')
      const times = [...twin.times].filter((_, row) => twin.hosts[row] === host)
      const byHour = Array.from({ length: 24 }, (_, hour) =>
        mean(cpu.filter((_, row) => new Date(times[row]! * 1000).getUTCHours() === hour)),
      )
      expect(Math.max(...byHour) / Math.min(...byHour)).toBeGreaterThan(1.3)
      const isWeekend = (time: number) => [0, 6].includes(new Date(time * 1000).getUTCDay())
      const weekend = mean(cpu.filter((_, row) => isWeekend(times[row]!)))
      expect(weekend).toBeLessThan(0.97 * mean(cpu.filter((_, row) => !isWeekend(times[row]!))))
    }
  })

  test('has a level of its own and noise that remembers', () => {
    const levels = [0, 1, 2, 3, 4, 5].map((host) => mean(hostRows(twin, host, 'latency_ms')))
    expect(new Set(levels.map((level) => level.toFixed(1))).size).toBe(6)
    // What is left of the memory metric between two neighbours is far less than its spread.
    const memory = hostRows(twin, 0, 'memory_percent')
    expect(correlation(memory.slice(1), memory.slice(0, -1))).toBeGreaterThan(0.8)
  })

  test('has metrics that hang together', () => {
    for (let host = 0; host < 6; host++) {
      expect(correlation(hostRows(twin, host, 'cpu_percent'), hostRows(twin, host, 'load'))).toBeGreaterThan(0.8)
      expect(
        correlation(hostRows(twin, host, 'network_in_mbps'), hostRows(twin, host, 'network_out_mbps')),
      ).toBeGreaterThan(0.8)
      expect(correlation(hostRows(twin, host, 'cpu_percent'), hostRows(twin, host, 'latency_ms'))).toBeGreaterThan(0.2)
    }
  })

  test('restarts now and then: its memory falls within one step', () => {
    const falls = [0, 1, 2, 3, 4, 5].map((host) => {
      const memory = hostRows(twin, host, 'memory_percent')
      return memory.filter((value, row) => row > 0 && value < memory[row - 1]! - 10).length
    })
    expect(falls.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(5)
  })
})

describe('incidents', () => {
  test('change labelled rows alone: the twin without them has the same others', () => {
    expect(twin.rows).toBe(whole.rows)
    expect(twin.times).toEqual(whole.times)
    let labelled = 0
    for (let row = 0; row < whole.rows; row++) {
      if (whole.incidents[row]! > 0) labelled++
      else
        whole.values.forEach(
          (column, index) => void (column[row] === twin.values[index]![row] || expect.fail(`row ${row}`)),
        )
    }
    expect(labelled / whole.rows).toBeGreaterThan(0.03)
    expect(labelled / whole.rows).toBeLessThan(0.07)
  })

  test('are of every kind, in the share that was asked for', () => {
    expect(new Set(whole.incidents)).toEqual(new Set([0, ...incidentKinds.map((_, index) => index + 1)]))
    const one = collect({ ...fleet, incidents: ['silence'] })
    expect(new Set(one.incidents)).toEqual(new Set([0, 1]))
    expect(new Set(twin.incidents)).toEqual(new Set([0]))
  })

  /** Rows of a kind as they are, and as they would have been. */
  function pairs(kind: IncidentKind, name: (typeof metricNames)[number]): { is: number; was: number; row: number }[] {
    const number = incidentKinds.indexOf(kind) + 1
    return [...whole.values[metric(name)]!.keys()]
      .filter((row) => whole.incidents[row] === number)
      .map((row) => ({ row, is: whole.values[metric(name)]![row]!, was: twin.values[metric(name)]![row]! }))
  }
  const most = (kind: IncidentKind, of: (pair: { is: number; was: number }) => number) =>
    Math.max(...metricNames.map((name) => mean(pairs(kind, name).map(of))))

  test('spike, level shift and slow ramp raise something by half of it and more', () => {
    for (const kind of ['spike', 'level_shift', 'slow_ramp'] as const) {
      expect(most(kind, ({ is, was }) => is / Math.max(was, 1))).toBeGreaterThan(1.5)
    }
  })

  test('a slow ramp ends higher above its twin than it begins', () => {
    const rises = metricNames.map((name) => {
      const all = pairs('slow_ramp', name).map(({ is, was }) => is - was)
      const changed = all.filter((value) => value > 0)
      return changed.length > 20 ? Math.max(...changed) / Math.min(...changed) : 0
    })
    expect(Math.max(...rises)).toBeGreaterThan(10)
  })

  test('saturation brings the processor to its end', () => {
    expect(Math.min(...pairs('saturation', 'cpu_percent').map(({ is }) => is))).toBeGreaterThan(70)
    expect(mean(pairs('saturation', 'latency_ms').map(({ is, was }) => is / was))).toBeGreaterThan(2)
  })

  test('a frozen sensor repeats itself', () => {
    const number = incidentKinds.indexOf('frozen_sensor') + 1
    const isFrozen = (host: number) => {
      const rows = [...whole.hosts.keys()].filter((row) => whole.hosts[row] === host)
      return rows.filter((row, index) => {
        const before = rows[index - 1]
        if (before === undefined || whole.incidents[row] !== number || whole.incidents[before] !== number) return false
        return !['cpu_percent', 'latency_ms', 'network_in_mbps'].some(
          (name) =>
            whole.values[metric(name as 'cpu_percent')]![row] === whole.values[metric(name as 'cpu_percent')]![before],
        )
      }).length
    }
    const rows = [...whole.incidents].filter((each) => each === number).length
    expect(rows).toBeGreaterThan(50)
    expect([0, 1, 2, 3, 4, 5].reduce((sum, host) => sum + isFrozen(host), 0)).toBe(0)
  })

  test('a broken correlation is one', () => {
    const inside = pairs('broken_correlation', 'cpu_percent').map(
      ({ is, row }) => is / whole.values[metric('network_in_mbps')]![row]!,
    )
    const outside = pairs('broken_correlation', 'cpu_percent').map(
      ({ was, row }) => was / twin.values[metric('network_in_mbps')]![row]!,
    )
    expect(mean(inside.map((value, index) => Math.abs(Math.log(value / outside[index]!))))).toBeGreaterThan(0.2)
  })

  test('silence is a row of zeros', () => {
    for (const name of metricNames) for (const { is } of pairs('silence', name)) expect(is).toBe(0)
    expect(pairs('silence', 'load').length).toBeGreaterThan(20)
  })
})

describe('deepwatch generate', () => {
  test('writes the same rows in every format', async () => {
    const folder = await freshFolder()
    const args = ['generate', '--hosts', '3', '--days', '2', '--incident-rate', '0.1', '--json']
    const formats = ['csv', 'ndjson', 'arrow', 'parquet']
    const seen = await Promise.all(
      formats.map(async (format) => {
        const path = (name: string) => join(folder, `${name}.${format}`)
        const { code, text } = await cli([...args, '--out', path('a')])
        expect(code).toBe(0)
        expect(JSON.parse(text)).toMatchObject({ format, hosts: 3, seed: 1 })
        await cli([...args, '--out', path('b')])
        expect(readFileSync(path('b'))).toEqual(readFileSync(path('a')))
        const train = ['train', path('a'), '--model', 'a', '--label', 'label', '--entity', 'host', '--seed', '1']
        const trained = await cli([...train, '--home', join(folder, `home-${format}`), '--json', '--quiet'])
        expect([trained.code, trained.stderr]).toEqual([0, ''])
        const { training, payload } = JSON.parse(trained.text)
        return JSON.stringify([training.fingerprint, training.rows, payload.sha256])
      }),
    )
    expect(new Set(seen).size).toBe(1)
    expect(readdirSync(folder)).toHaveLength(12)
    // A stream on standard output is the same as the file.
    const { stdout } = await cli([...args.slice(0, -1), '--format', 'arrow', '--quiet'])
    expect(stdout).toEqual(readFileSync(join(folder, 'a.arrow')))
  })

  test('made the examples', async () => {
    const examples = new URL('../../../examples/', import.meta.url)
    const calls = readFileSync(new URL('make.sh', examples), 'utf8').matchAll(/^deepwatch (generate .*) --out (\S+)$/gm)
    const folder = await freshFolder()
    const names = await Promise.all(
      [...calls].map(async ([, call, name]) => {
        expect((await cli([...call!.split(' '), '--out', join(folder, name!)])).code).toBe(0)
        const bytes = readFileSync(new URL(name!, examples))
        expect(bytes.equals(readFileSync(join(folder, name!))), `${name} is not what examples/make.sh makes`).toBe(true)
        expect(bytes.length).toBeLessThan(300 * 1024)
        return name
      }),
    )
    expect(names).toEqual(
      readdirSync(examples)
        .filter((name) => name.endsWith('.parquet'))
        .sort()
        .reverse(),
    )
  })

  test('takes no more memory for ten times the rows', async () => {
    const folder = await freshFolder()
    const peaks = []
    for (const rows of ['100000', '1000000']) {
      const { child, ended } = startCli([
        'generate',
        '--rows',
        rows,
        '--interval',
        '10s',
        '--out',
        join(folder, 'x.parquet'),
        '--quiet',
      ])
      let peak = 0
      const timer = setInterval(() => {
        peak = Math.max(peak, familyPss(child.pid!))
      }, 50)
      expect((await ended).code).toBe(0)
      clearInterval(timer)
      peaks.push(peak)
    }
    expect(peaks[0]).toBeGreaterThan(30)
    // MiB. The database's row groups fill up within the first 100,000 rows.
    expect(peaks[1]! - peaks[0]!).toBeLessThan(60)
  })
})

/** Proportional memory of a process and its children in MiB. */
function familyPss(root: number): number {
  let kib = 0
  const visit = (pid: number) => {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
      for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' '))
        if (child !== '') visit(Number(child))
    } catch {
      // Gone meanwhile.
    }
  }
  visit(root)
  return kib / 1024
}
