/** Drawing: names from outside are text, the same facts are the same bytes, and a picture has its words in it. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Resvg } from '@resvg/resvg-js'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { rangeOf } from '../../src/aggregate/feature-range.ts'
import { packageFolder } from '../../src/places.ts'
import {
  escapeText,
  formatRange,
  formatShare,
  formatTime,
  formatValue,
  shownName,
  unitOf,
} from '../../src/reporting/charts/text.ts'
import { createDrawing } from '../../src/reporting/drawing.ts'
import { openKeptReports } from '../../src/reporting/kept-reports.ts'
import { renderReport } from '../../src/reporting/page/render.ts'
import { pagePolicy } from '../../src/reporting/page/style.ts'
import { exampleVersion } from '../../src/schemas/examples.ts'
import type { Feature } from '../../src/schemas/model.ts'
import type { KeptReport, ReportAggregate, ReportFacts } from '../../src/schemas/report.ts'
import { freshFolder } from '../endings.ts'
import { inspectPage, parseXml } from './tools.ts'

const hostile = [
  '<script>alert(1)</script>',
  '</svg><script>alert(2)</script>',
  '</style><img src=x onerror=alert(3)>',
  "datum['x'].y[0]",
  'a.b[0].c\\d',
  "{signal: 'width'}",
  '\u202egnp.exe\u202c',
  'tab\there\u0000\u0007bell\uffff',
  '\ud800 half a character',
  'x'.repeat(10_000),
  '😀🔥 emoji 温度',
  '" onload="alert(4)',
  "' or 1=1 --",
  '&lt;b&gt; & &amp; entity',
  'javascript:alert(5)',
  '',
]

const profile = {
  finite: 100,
  missing: 0,
  infinite: 0,
  min: 0,
  max: 10,
  mean: 5,
  std: 2,
  quantiles: { p01: 0.1, p05: 1, p25: 3, p50: 5, p75: 7, p95: 9, p99: 9.9 },
  constant: false,
}
const features: Feature[] = hostile.map((name) => ({ name, kind: 'number', type: 'DOUBLE', profile }))

function aggregateOf(count: number, more: Partial<ReportAggregate> = {}): ReportAggregate {
  return {
    rows: 1000,
    unscored: 3,
    flagged: 10,
    threshold: 0.6,
    from: Date.UTC(2026, 9, 24) * 1000,
    to: Date.UTC(2026, 9, 26) * 1000,
    scores: [
      { from: 0.4, to: 0.5, rows: 900, flagged: false },
      { from: 0.6, to: 0.7, rows: 10, flagged: true },
    ],
    labels: {
      confusion: { tp: 5, fp: 5, tn: 900, fn: 5 },
      unlabelled: 0,
      curve: [
        { recall: 0.5, precision: 0.5 },
        { recall: 1, precision: 0.1 },
      ],
    },
    course: {
      unit: 'time',
      first: Date.UTC(2026, 9, 24) * 1000,
      width: 3600e6,
      stretches: Array.from({ length: 48 }, (_, index) => ({
        index,
        rows: 20,
        flagged: Number(index === 9) * 10,
        labelled: Number(index === 9),
        highest: index === 9 ? 0.7 : 0.5,
        mean: 0.45,
      })),
    },
    hours: [
      { hour: 0, flagged: 0 },
      { hour: 9, flagged: 10 },
    ],
    features: Array.from({ length: count }, (_, feature) => ({
      feature,
      counts: Array(34).fill(1),
      missing: 1,
      belowUsual: 2,
      aboveUsual: 30,
    })),
    foldedFeatures: 0,
    top: [
      {
        row: 7,
        score: 0.7,
        time: Date.UTC(2026, 9, 25, 1) * 1000,
        entity: hostile[1]!,
        label: 1,
        values: Array(count).fill(99),
      },
      { row: 8, score: 0.5, time: null, entity: null, label: null, values: Array(count).fill(null) },
    ],
    entities: {
      named: hostile.slice(0, 12).map((entity, index) => ({ entity, rows: 100, flagged: 12 - index })),
      flaggedNotNamed: 0,
      others: 3,
      manyOthers: false,
    },
    ...more,
  }
}

function factsOf(more: Partial<ReportFacts> = {}): ReportFacts {
  const document = { ...exampleVersion, features, warnings: [{ code: 'x', message: hostile[0]!, columns: hostile }] }
  return {
    subject: 'source',
    document: document as ReportFacts['document'],
    source: { kind: 'path', files: [hostile[2]!, 'b.parquet'] },
    aggregate: aggregateOf(features.length),
    profiles: [],
    zone: { utc: [0, Date.UTC(2026, 9, 25, 1) / 1000], offset: [7200, 3600] },
    evaluation: null,
    gaps: [hostile[3]!],
    ...more,
  }
}

const textOf = async (facts: ReportFacts, format: 'html' | 'svg') =>
  Buffer.from(await renderReport(facts, format)).toString()

describe('names from outside are shown as text', () => {
  test('on the page', async () => {
    const html = await textOf(factsOf(), 'html')
    const tags = inspectPage(html)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('datum[&#39;x&#39;].y[0]')
    expect(tags.filter(({ name }) => name === 'svg').length).toBeGreaterThan(hostile.length)
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/)
    expect(html.includes('x'.repeat(300))).toBe(false)
    for (const { name, attributes } of tags)
      if (name === 'svg') expect(attributes.get('aria-labelledby')).toMatch(/^[\w-]+-t [\w-]+-d$/)
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? [])
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('in the chart alone, which is a whole XML document', async () => {
    const tags = parseXml(await textOf(factsOf(), 'svg'))
    expect(tags[0]!.name).toBe('svg')
    expect(tags.map(({ name }) => name)).not.toContain('script')
  })

  test('whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (name) => {
        const shown = shownName(name)
        parseXml(`<a b="${escapeText(shown)}">${escapeText(shown)}</a>`)
        expect([...shown].length).toBeLessThanOrEqual(60)
      }),
    )
    expect(shownName('a\u0000b\u202ec')).toBe('a\ufffdb\ufffdc')
    expect(shownName('😀'.repeat(61))).toBe(`${'😀'.repeat(59)}…`)
  })
})

test("the policy in the page's head allows its own style and nothing else", async () => {
  const html = await textOf(factsOf(), 'html')
  const style = /<style>([^<]*)<\/style>/.exec(html)![1]!
  const hash = createHash('sha256').update(style).digest('base64')
  expect(pagePolicy).toBe(`default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`)
  expect(html).toContain(`<meta http-equiv="Content-Security-Policy" content="${pagePolicy}">`)
})

test('the same facts are the same bytes, in every form', async () => {
  for (const format of ['html', 'svg', 'png'] as const)
    expect(
      Buffer.compare(
        Buffer.from(await renderReport(factsOf(), format)),
        Buffer.from(await renderReport(factsOf(), format)),
      ),
    ).toBe(0)
})

test('the PNG is white, twice its size, and has its words in it', async () => {
  const png = Buffer.from(await renderReport(factsOf(), 'png'))
  expect(png.subarray(1, 4).toString()).toBe('PNG')
  const svg = await textOf(factsOf(), 'svg')
  expect(png.readUInt32BE(16)).toBe(2 * Number(/width="(\d+)"/.exec(svg)![1]))
  // The same picture once more, without its words: where the title stands, there is nothing then.
  const wordless = Buffer.from(await renderReport(factsOf({ aggregate: null }), 'svg'))
    .toString()
    .replaceAll(/<text[^>]*>[^<]*<\/text>/g, '')
  const { pixels: empty, width } = pixelsOf(wordless)
  const { pixels } = pixelsOf(Buffer.from(await renderReport(factsOf({ aggregate: null }), 'svg')).toString())
  const dark = (data: Buffer) => {
    let count = 0
    for (let y = 10; y < 60; y++) for (let x = 20; x < 300; x++) count += Number(data[4 * (y * width + x)]! < 128)
    return count
  }
  expect(dark(empty)).toBe(0)
  expect(dark(pixels)).toBeGreaterThan(200)
})

/** The picture with the fonts of the package alone, as in a container that has none. */
function pixelsOf(svg: string): { pixels: Buffer; width: number } {
  const folder = new URL('node_modules/dejavu-fonts-ttf/ttf/', packageFolder)
  const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((file) => fileURLToPath(new URL(file, folder)))
  const { pixels, width } = new Resvg(svg, { background: '#fff', font: { loadSystemFonts: false, fontFiles } }).render()
  return { pixels, width }
}

describe('a report of little', () => {
  const odd: [string, Partial<ReportFacts>][] = [
    ['nothing kept', { subject: 'version', aggregate: null }],
    [
      'nothing flagged',
      { aggregate: aggregateOf(3, { flagged: 0, hours: [], top: [], entities: null, labels: null }) },
    ],
    [
      'no scored row',
      {
        aggregate: aggregateOf(0, {
          rows: 2,
          unscored: 2,
          flagged: 0,
          scores: [],
          labels: null,
          hours: [],
          top: [],
          entities: null,
        }),
      },
    ],
    [
      'no row',
      {
        aggregate: aggregateOf(0, {
          rows: 0,
          unscored: 0,
          flagged: 0,
          scores: [],
          from: null,
          to: null,
          labels: null,
          hours: [],
          top: [],
          entities: null,
          course: { unit: 'rows', first: 0, width: 1, stretches: [] },
        }),
      },
    ],
    [
      'scores of a calibrated detector',
      {
        aggregate: aggregateOf(1, {
          threshold: 0.9999,
          scores: [
            { from: 0, to: 0.9999, rows: 1e7, flagged: false },
            { from: 0.9999, to: 1, rows: 1, flagged: true },
          ],
        }),
      },
    ],
  ]
  test.each(odd)('%s', async (_, more) => {
    inspectPage(await textOf(factsOf(more), 'html'))
    parseXml(await textOf(factsOf(more), 'svg'))
    expect(await textOf(factsOf(more), 'html')).not.toMatch(/\bNaN\b|undefined|Infinity|null/)
  })
})

test('numbers carry their units, times their zone', () => {
  const names = [
    'latency_ms',
    'rx_bytes',
    'cpu_percent',
    'uptime_seconds',
    'requests_per_second',
    'temperature',
    'forms',
  ]
  expect(names.map(unitOf)).toEqual(['ms', 'B', '%', 's', '/s', '', ''])
  expect(formatValue(1536, 'B')).toBe('1.5\u00a0KiB')
  expect(formatValue(-12345.678, 'ms')).toBe('−12,350\u00a0ms')
  expect(formatValue(Number.POSITIVE_INFINITY, '')).toBe('∞')
  expect(formatRange(1, 2, 'ms')).toBe('1 to 2\u00a0ms')
  expect([0, 0.000001, 0.0123, 0.5, 1].map(formatShare)).toEqual([
    '0\u00a0%',
    '<0.01\u00a0%',
    '1.2\u00a0%',
    '50\u00a0%',
    '100\u00a0%',
  ])
  const zone = { utc: [0, Date.UTC(2026, 9, 25, 1) / 1000], offset: [7200, 3600] }
  expect(formatTime(Date.UTC(2026, 9, 25, 0, 59) * 1000, zone)).toBe('2026-10-25 02:59:00')
  expect(formatTime(Date.UTC(2026, 9, 25, 1) * 1000, zone)).toBe('2026-10-25 02:00:00')
})

test('one far value does not flatten a picture: ranges are robust, finite and not empty', () => {
  const far = { ...profile, max: 1e300 }
  expect(rangeOf({ name: 'a', kind: 'number', type: 'DOUBLE', profile: far })).toMatchObject({ low: 0, high: 14.8 })
  const constant = { ...profile, min: 5, max: 5, quantiles: { p01: 5, p05: 5, p25: 5, p50: 5, p75: 5, p95: 5, p99: 5 } }
  const range = rangeOf({ name: 'a', kind: 'number', type: 'DOUBLE', profile: constant })!
  expect(range.low).toBeLessThan(5)
  expect(range.high).toBeGreaterThan(5)
  const wild = { ...profile, min: -1e308, max: 1e308, quantiles: { ...profile.quantiles, p01: -1e308, p99: 1e308 } }
  expect(rangeOf({ name: 'a', kind: 'number', type: 'DOUBLE', profile: wild })).toBeNull()
})

describe('the drawing thread', () => {
  const drawing = createDrawing({ idleMs: 50, maxMs: 60_000 })
  afterAll(() => drawing.close())
  const task = (more: Partial<ReportFacts> = {}) => ({ facts: factsOf(more), format: 'svg' as const })
  const draw = (one = task()) => drawing.draw(one, new AbortController().signal)

  test('draws what the renderer draws, also several at once', async () => {
    const forms = ['html', 'svg', 'svg'] as const
    const drawn = await Promise.all(
      forms.map((format) => draw({ facts: factsOf(), format } as ReturnType<typeof task>)),
    )
    for (const [index, format] of forms.entries())
      expect(Buffer.from(drawn[index]!).toString()).toBe(await textOf(factsOf(), format))
  })

  test('draws the same when it was warmed, once or twice', async () => {
    const warmed = createDrawing()
    try {
      warmed.warm()
      warmed.warm()
      const drawn = await warmed.draw(task(), new AbortController().signal)
      expect(Buffer.from(drawn).toString()).toBe(await textOf(factsOf(), 'svg'))
    } finally {
      await warmed.close()
    }
  })

  test('answers internal_error for what cannot be drawn, and draws on', async () => {
    const broken = { ...task(), facts: {} as ReportFacts }
    await expect(draw(broken)).rejects.toMatchObject({ code: 'internal_error' })
    expect((await draw()).length).toBeGreaterThan(1000)
  })

  test('refuses when too many wait, and leaves nobody waiting', async () => {
    const all = await Promise.allSettled(Array.from({ length: 30 }, () => draw(task({ aggregate: null }))))
    expect(all.filter(({ status }) => status === 'rejected').length).toBe(12)
    for (const result of all)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'overloaded' })
  })
})

describe('what is kept of a training', () => {
  const payload = 'a'.repeat(64)
  const report: KeptReport = { aggregate: aggregateOf(3), profiles: [{ feature: 0, counts: Array(34).fill(3) }] }

  test('comes back as it was, and belongs to one payload', async () => {
    const kept = openKeptReports(await freshFolder())
    await kept.keep({ model: 'web', version: 3, payload }, report)
    expect(await kept.read({ model: 'web', version: 3, payload })).toEqual(report)
    expect(await kept.read({ model: 'web', version: 3, payload: 'b' })).toBe('absent')
    expect(await kept.read({ model: 'web', version: 4, payload })).toBe('absent')
  })

  test('takes at most 100 KiB: features are left out from the end', async () => {
    const home = await freshFolder()
    const kept = openKeptReports(home)
    const profiles = Array.from({ length: 512 }, (_, feature) => ({ feature, counts: Array(34).fill(65_536) }))
    await kept.keep({ model: 'web', version: 1, payload }, { ...report, profiles })
    expect(readFileSync(join(home, 'reports/web/1.json')).length).toBeLessThanOrEqual(100 * 1024)
    const found = (await kept.read({ model: 'web', version: 1, payload })) as KeptReport
    expect(found.aggregate).toEqual(report.aggregate)
    expect(found.profiles.length).toBeGreaterThan(100)
    expect(found.profiles).toEqual(profiles.slice(0, found.profiles.length))
  })

  test('is damaged when a single number of it was changed', async () => {
    const home = await freshFolder()
    const kept = openKeptReports(home)
    await kept.keep({ model: 'web', version: 1, payload }, report)
    const path = join(home, 'reports/web/1.json')
    const whole = readFileSync(path, 'utf8')
    for (const text of [whole.replace('"rows":1000', '"rows":1001'), whole.slice(0, -20), '', '[]', 'null']) {
      writeFileSync(path, text)
      expect(await kept.read({ model: 'web', version: 1, payload })).toBe('damaged')
    }
  })

  test('goes when it belongs to no version', async () => {
    const home = await freshFolder()
    const kept = openKeptReports(home)
    for (const [model, version] of [
      ['web', 1],
      ['web', 2],
      ['gone', 1],
    ] as const)
      await kept.keep({ model, version, payload }, report)
    writeFileSync(join(home, 'reports/web/.tmp-0123456789abcdef'), 'half')
    mkdirSync(join(home, 'reports/strange'))
    await kept.sweep((model, version) => model === 'web' && version === 2)
    expect(readdirSync(join(home, 'reports'))).toEqual(['web'])
    expect(readdirSync(join(home, 'reports/web'))).toEqual(['2.json'])
  })
})
