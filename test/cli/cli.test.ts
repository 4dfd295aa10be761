/** The command line as its users meet it: help, flags, errors, names, pipes, terminals, completion. */
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Command } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { withDetector } from '../../src/cli/detector.ts'
import { checkSettings, flagsOfSettings, settingsOf } from '../../src/cli/flags.ts'
import { createProgram, describeCommand, readArguments } from '../../src/cli/program.ts'
import { createProgress } from '../../src/cli/progress.ts'
import { detectors } from '../../src/detectors/list.ts'
import { DeepWatchError } from '../../src/errors.ts'
import { packageFolder } from '../../src/places.ts'
import { evaluateSettings } from '../../src/schemas/evaluate.ts'
import { scoreSettings } from '../../src/schemas/score.ts'
import { trainSettings } from '../../src/schemas/train.ts'
import { startApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { bash, cli, inProcess } from './tools.ts'

const command = (name: string) => commands.find((each) => each.name === name)!

async function settingFlags({ schema, without }: Command) {
  return schema ? flagsOfSettings(await schema(), without) : []
}

/** The help of a command as lines. */
async function helpOf(name: string, form: '--help' | '--help-all'): Promise<string[]> {
  const { code, text, stderr } = await inProcess([name, form])
  expect([code, stderr]).toEqual([0, ''])
  return text.trimEnd().split('\n')
}

let folder: string
let csv: string
let home: string

beforeAll(async () => {
  folder = await freshFolder()
  csv = join(folder, 'fleet.csv')
  home = join(folder, 'home')
  expect((await cli(['generate', '--hosts', '2', '--days', '2', '--incident-rate', '0.1', '--out', csv])).code).toBe(0)
  const trained = await cli([
    'train',
    csv,
    '--model',
    'web',
    '--label',
    'label',
    '--entity',
    'host',
    '--seed',
    '1',
    '--home',
    home,
  ])
  expect(trained.code).toBe(0)
})

describe('help', () => {
  test('of every command fits a screen and shows an example that its flags allow', async () => {
    expect(commands.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['run', 'serve', 'train', 'score', 'evaluate', 'report', 'models', 'generate']),
    )
    for (const each of commands) {
      const settings = await settingFlags(each)
      const lines = await helpOf(each.name, '--help')
      expect(lines.length, each.name).toBeLessThanOrEqual(24)
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
      expect(lines.at(-1)).toContain(`deepwatch ${each.name}`)
      for (const [, flag] of each.example.matchAll(/--([a-z-]+)/g)) {
        expect([...each.own, ...settings].map(({ name }) => name)).toContain(flag)
      }
      for (const { name } of each.own) expect(lines.join('\n')).toMatch(new RegExp(`^  --${name}\\b`, 'm'))
      for (const name of each.explained ?? []) expect(lines.join('\n')).toMatch(new RegExp(`^  --${name}\\b`, 'm'))
      const long = await helpOf(each.name, '--help-all')
      const words = long.join(' ').replaceAll(/\s+/g, ' ')
      for (const { name, about } of [...each.own, ...settings]) {
        expect(long.join('\n')).toMatch(new RegExp(`^  --(\\[no-\\])?${name}\\b`, 'm'))
        expect(words).toContain(about.replaceAll(/\s+/g, ' '))
      }
      for (const line of long) expect(line.length, line).toBeLessThanOrEqual(80)
    }
    const lines = (await inProcess(['--help'])).text.trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(24)
    for (const { name, summary } of commands) {
      expect(lines.some((line) => line.startsWith(`  ${name} `) && line.endsWith(summary))).toBe(true)
    }
  })

  test('is what the process says', async () => {
    const [top, none, word, train, version] = await Promise.all([
      cli(['--help']),
      cli([]),
      cli(['help']),
      cli(['train', 'x.csv', '--nonsense', '-h']),
      cli(['--version']),
    ])
    expect(top).toMatchObject({ code: 0, stderr: '' })
    expect(none.text).toBe(top.text)
    expect(word.text).toBe(top.text)
    const described = describeCommand(
      createProgram(commands),
      command('train'),
      await settingFlags(command('train')),
      true,
    )
    expect(train).toMatchObject({
      code: 0,
      stderr: '',
      text: expect.stringContaining(described.helpInformation()),
    })
    expect(version.text).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('start-up', () => {
  const textOf = (file: URL) => readFileSync(file, 'utf8')
  const dynamic = /import\(['"]([^'"]+)['"]\)/g

  /** Bundles and packages that a bundle loads before it runs. */
  function loaded(file: URL, seen = new Set<string>()): Set<string> {
    if (seen.has(file.href)) return seen
    seen.add(file.href)
    for (const [, name] of textOf(file).matchAll(/^(?:import|export)\s(?:[\w\s{},*$]+\sfrom\s)?['"]([^'"]+)['"]/gm)) {
      if (name!.startsWith('.')) loaded(new URL(name!, file), seen)
      else if (!name!.startsWith('node:')) seen.add(name!)
    }
    return seen
  }
  const isFile = (name: string) => name.startsWith('file:')
  /** Packages beside the bundles, and those within them. */
  const packages = (...files: URL[]) => {
    const all = files.flatMap((file) => [...loaded(file)])
    const within = all
      .filter(isFile)
      .flatMap((name) => [...textOf(new URL(name)).matchAll(/^\/\/ (?:\.\.\/)*node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)])
      .map(([, name]) => name!)
    return [...new Set([...all.filter((name) => !isFile(name)), ...within])].sort()
  }
  const program = new URL('dist/src/cli.js', packageFolder)
  /** The bundle that a command loads when it is called. */
  const bundleOf = (name: string) => {
    const [, file] = new RegExp(`name: "${name}",[^]*?load: \\(\\) => import\\("([^"]+)"\\)`).exec(textOf(program))!
    return new URL(file!, program)
  }

  test('loads the parser and no other package for the list of commands', () => {
    expect(packages(program)).toEqual(['commander'])
    expect([...loaded(program)].filter(isFile).length).toBeLessThan(15)
  })

  test('loads no web server, no database and no drawing for the others', () => {
    const used = ['run', 'train', 'score', 'evaluate', 'report', 'models'].map(bundleOf)
    expect(packages(...used)).toEqual(['zod'])
    // What they load while their reading process starts.
    const session = [...loaded(bundleOf('train'))].find((name) => name.endsWith('/session.js'))!
    const later = Array.from(textOf(new URL(session)).matchAll(dynamic), ([, name]) => name!)
    expect(later).toHaveLength(3)
    const files = later.filter((name) => name.startsWith('.')).map((name) => new URL(name, session))
    const named = later.filter((name) => !name.startsWith('.'))
    const ofPrometheus = ['@opentelemetry/api', 'bintrees', 'prom-client', 'tdigest']
    expect([...new Set([...named, ...packages(...files)])].sort()).toEqual(
      ['lru-cache', 'pino', 'piscina', 'zod', ...ofPrometheus].sort(),
    )
    expect(packages(bundleOf('generate'))).toEqual(['zod'])
  })
})

describe('flags', () => {
  const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

  test('are there for every setting and every setting of a detector', () => {
    for (const schema of [trainSettings, scoreSettings, evaluateSettings]) {
      const names = flagsOfSettings(schema).map(({ name }) => name)
      const wanted = Object.keys(schema.shape).filter((key) => key !== 'rows' && key !== 'source')
      expect(wanted.length).toBeGreaterThan(3)
      expect(names).toEqual(expect.arrayContaining(wanted.map(kebab)))
      expect(new Set(names).size).toBe(names.length)
    }
    const names = flagsOfSettings(trainSettings).map(({ name }) => name)
    expect(detectors.size).toBeGreaterThan(1)
    for (const { params } of detectors.values()) {
      const shape = (params as unknown as { shape: object }).shape
      expect(names).toEqual(
        expect.arrayContaining(
          Object.keys(shape)
            .filter((key) => key !== 'type')
            .map(kebab),
        ),
      )
    }
    expect(names).toEqual(expect.arrayContaining(['contamination', 'window-from', 'window-to']))
  })

  test('never have two meanings in one command', async () => {
    for (const each of commands) {
      const names = [...each.own, ...(await settingFlags(each))].map(({ name }) => name)
      expect(new Set(names).size, each.name).toBe(names.length)
    }
  })

  const read = (...args: string[]) => {
    const flags = flagsOfSettings(trainSettings)
    return checkSettings(trainSettings, { model: 'web', ...settingsOf(readArguments(args, flags), flags) }, flags)
  }

  test('become the settings of a request', () => {
    expect(read('--label', 'is bad', '--features', 'a,b', '--time-zone=Europe/Prague', '--no-serve')).toEqual({
      model: 'web',
      label: 'is bad',
      features: ['a', 'b'],
      timeZone: 'Europe/Prague',
      serve: false,
    })
    expect(read('--features', '["a,b", "c"]', '--time-features', '')).toMatchObject({
      features: ['a,b', 'c'],
      timeFeatures: [],
    })
    const derived = { column: 'cpu', derive: 'lag' }
    expect(read('--features', JSON.stringify(['a', derived])).features).toEqual(['a', derived])
    expect(read('--smoothing-window', '12').smoothing).toEqual({ window: 12 })
    expect(read('--smoothing-window', '1h').smoothing).toEqual({ window: '1h' })
    expect(read('--time-features', 'auto').timeFeatures).toBe('auto')
    expect(read('--time-features', 'hour,dayOfWeek').timeFeatures).toEqual(['hour', 'dayOfWeek'])
    expect(
      read('--detector', 'isolation-forest', '--trees', '7', '--max-depth', 'null', '--sample-size=64').detector,
    ).toMatchObject({
      type: 'isolation-forest',
      trees: 7,
      sampleSize: 64,
      maxDepth: null,
    })
    expect(read('--detector', '{"type": "isolation-forest", "trees": 9}').detector).toMatchObject({ trees: 9 })
    expect(read('--threshold', '0.62').threshold).toEqual({ value: 0.62 })
    expect(read('--threshold', 'auto').threshold).toBe('auto')
    expect(read('--contamination', '.02').threshold).toEqual({ contamination: 0.02 })
    expect(read('--window-from', '2026-01-01T00:00:00Z', '--window-to', '2026-02-01T00:00:00Z').window).toEqual({
      from: '2026-01-01T00:00:00Z',
      to: '2026-02-01T00:00:00Z',
    })
    expect(read('--window', '{"from": "2026-01-01T00:00:00Z"}').window).toEqual({ from: '2026-01-01T00:00:00Z' })
    // A column may be called anything.
    expect(read('--label=--x', '--entity', '7', '--timestamp', 'true')).toMatchObject({
      label: '--x',
      entity: '7',
      timestamp: 'true',
    })
    expect(read('--seed', '7', '--seed', '7', '--detector', 'isolation-forest').detector).toMatchObject({ seed: 7 })
  })

  test.each([
    [['--labl', 'x'], 'validation_failed', "unknown option '--labl'; did you mean --label?"],
    [['--zzz'], 'validation_failed', "unknown option '--zzz'"],
    [['-x'], 'validation_failed', "unknown option '-x'"],
    [['--label'], 'validation_failed', '--label needs a value'],
    [['--label', '--entity'], 'validation_failed', '--label needs a value'],
    [['--no-label'], 'validation_failed', "unknown option '--no-label'; did you mean --label?"],
    [['--no-serve=1'], 'validation_failed', "unknown option '--no-serve=1'"],
    [['--serve=maybe'], 'validation_failed', '--serve: must be true or false'],
    [['--entitiy', 'x'], 'validation_failed', "unknown option '--entitiy'; did you mean --entity?"],
    [['--lable=x'], 'validation_failed', 'did you mean --label?'],
    [['--xyzzy'], 'validation_failed', /^unknown option '--xyzzy'$/],
    [['--serve', '--no-serve'], 'conflicting_parameter', '--serve is given twice'],
    [['--label', 'a', '--label', 'b'], 'conflicting_parameter', '--label is given twice'],
    [['--threshold', '0.6', '--contamination', '0.1'], 'conflicting_parameter', '--threshold and --contamination'],
    [['--contamination', '0.1', '--threshold', 'auto'], 'conflicting_parameter', '--threshold and --contamination'],
    [
      ['--window', '{"from":"2026-01-01T00:00:00Z"}', '--window-from', '2026-01-02T00:00:00Z'],
      'conflicting_parameter',
      '--window and',
    ],
    [['--contamination', '0.7'], 'validation_failed', '--contamination: must be less than 0.5'],
    [
      ['--detector', 'isolation-forst'],
      'validation_failed',
      /^--detector: must be .*\bisolation-forest or .*, not "isolation-forst" \(did you mean isolation-forest\?\)\.$/,
    ],
    [['--detector', 'isolation-forest', '--trees', 'many'], 'validation_failed', '--trees: must be a number'],
    [['--detector', 'isolation-forest', '--trees', '1.5'], 'validation_failed', '--trees: must be a whole number'],
    [['--missing', 'drop'], 'validation_failed', '--missing: must be "reject" or "median" or "skip"'],
    [['--window-from', 'yesterday'], 'validation_failed', '--window-from: must be an RFC 3339 time'],
    [['--features', 'a,a'], 'validation_failed', '--features: must not name a'],
    [['--window', '{broken'], 'validation_failed', '--window: must be an object'],
  ])('%j is refused by name', (args, code, detail) => {
    let error: unknown
    try {
      read(...args)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(DeepWatchError)
    expect([(error as DeepWatchError).code, (error as DeepWatchError).message]).toEqual([
      code,
      detail instanceof RegExp ? expect.stringMatching(detail) : expect.stringContaining(detail),
    ])
  })
})

describe('errors', () => {
  test.each([
    [['bogus'], 2, "validation_failed: unknown command 'bogus'; see deepwatch --help"],
    [['trian'], 2, "validation_failed: unknown command 'trian'; did you mean train?"],
    [['train', '--model', 'web'], 2, 'validation_failed: train needs a file; - is standard input.'],
    [['train', 'CSV'], 2, 'validation_failed: --model: is needed.'],
    [['train', 'CSV', '--model', 'A B'], 2, 'invalid_id: --model: a name is up to 63'],
    [
      ['train', 'a\nb\u001b[31m.csv', '--model', 'web'],
      1,
      'source_not_found: There is no file "a\\nb\\u001b[31m.csv".',
    ],
    [
      ['train', 'CSV', '--model', 'web', '--label', 'no\nsuch'],
      1,
      'unknown_column: --label: the source has no column "no\\nsuch".',
    ],
    [['score', 'CSV', '--model', 'nobody'], 1, 'model_not_found: There is no model nobody.'],
    [['score', 'CSV', '--model', './nobody'], 1, 'model_not_found: There is no model file "./nobody".'],
    [['score', 'CSV', '--model', 'CSV'], 1, 'model_corrupt: '],
    [['score', 'CSV', '--model', 'web', '--out', 'x.parquet', '--include', 'host'], 2, 'unused_setting: --include'],
    [['score', 'CSV', '--model', 'web', '--format', 'parquet'], 2, 'validation_failed: --out: Parquet needs a file.'],
    [['score', 'CSV', '--model', 'web', '--out', '/nonexistent/x.csv'], 1, 'storage_error: '],
    [['models', 'rm', 'web'], 2, 'validation_failed: models rm removes web for good; say so with --yes.'],
    [['models', 'shwo', 'web'], 2, 'validation_failed: models knows no "shwo" (did you mean show?); there are'],
    [['score', 'CSV', '--model', 'web', '--format', 'cvs'], 2, 'validation_failed: --format: must be ndjson, csv'],
    [['trian', 'CSV'], 2, "validation_failed: unknown command 'trian'; did you mean train?"],
    [['train', 'CSV', '--entitiy', 'host'], 2, "validation_failed: unknown option '--entitiy'; did you mean --entity?"],
    [
      ['train', 'CSV', '--model', 'web', '--label', 'lable'],
      1,
      'unknown_column: --label: the source has no column "lable" (did',
    ],
    [['run', 'CSV'], 2, 'validation_failed: --out is needed'],
    [['serve', '--port', 'x'], 1, 'invalid_setting: PORT: '],
  ])('%j is one line with exit code %i', async (args, code, line) => {
    const given = args.map((arg) => (arg === 'CSV' ? csv : arg))
    const hasHome = ['train', 'score', 'models', 'serve'].includes(given[0]!)
    const ended = await cli(
      [...given, ...(hasHome ? ['--home', home] : []), ...(hasHome && given[0] !== 'serve' ? ['--quiet'] : [])],
      { cwd: folder },
    )
    expect(ended.stdout.length).toBe(0)
    expect(ended.stderr).toMatch(/^deepwatch: [a-z_]+: [^\n\p{Cc}]+\n$/u)
    expect(ended.stderr).toContain(`deepwatch: ${line}`)
    expect(ended.code).toBe(code)
  })

  test('a state folder that a service uses is told with what to do', async () => {
    const app = await startApp()
    const { code, stderr } = await inProcess(['models', '--home', app.home])
    expect([code, stderr]).toEqual([
      1,
      'deepwatch: home_locked: A service uses this state folder. Ask it with --server URL, or take another folder with --home.\n',
    ])
    await app.stop()
    expect((await inProcess(['models', '--home', app.home])).text).toBe('no models yet\n')
  })
})

describe('files', () => {
  test('may have any name and lie anywhere', async () => {
    const strange = join(folder, 'a:b "c"\n$(x)')
    mkdirSync(strange)
    const names = ['two words.csv', '-dash.csv', 'new\nline.csv', `q'uo"te.csv`, 'ünï.csv', '*.csv', '--.csv', '--help']
    for (const name of names) copyFileSync(csv, join(strange, name))
    symlinkSync(csv, join(strange, 'link.csv'))
    const operands = [...names, 'link.csv', csv]
    const { code, text, stderr } = await cli(
      ['train', '--json', '--quiet', '--home', home, '--model', 'many', '--', ...operands],
      { cwd: strange },
    )
    expect([code, stderr]).toEqual([0, ''])
    const rows = readFileSync(csv, 'utf8').trimEnd().split('\n').length - 1
    expect(JSON.parse(text).training.rows).toBe(10 * rows)
    expect(JSON.parse(text).training.source.files.slice(0, 3)).toEqual(names.slice(0, 3))
    // Results may be called anything too.
    const out = [
      'score',
      '--quiet',
      '--home',
      home,
      '--model',
      'many',
      '--include',
      'host',
      '--out=-o\nut.csv',
      '--',
      '-dash.csv',
    ]
    expect((await cli(out, { cwd: strange })).code).toBe(0)
    expect(readFileSync(join(strange, '-o\nut.csv'), 'utf8').split('\n').length).toBe(rows + 2)
    expect(readdirSync(strange).filter((name) => name.startsWith('.deepwatch'))).toEqual([])
  })

  test('come from standard input, pipes and hard links as they come from a path', async () => {
    copyFileSync(csv, join(folder, 'first.csv'))
    linkSync(join(folder, 'first.csv'), join(folder, 'hard.csv'))
    const score = `deepwatch score --model web --home "$STATE" --quiet`
    const env = { STATE: home }
    const path = await bash(`${score} fleet.csv`, { cwd: folder, env })
    expect(path.code).toBe(0)
    const input = readFileSync(csv)
    for (const line of [
      `${score} -`,
      `${score} <(cat fleet.csv)`,
      `${score} hard.csv`,
      `cat fleet.csv | ${score} /dev/stdin`,
    ]) {
      const other = await bash(line, { cwd: folder, env, input })
      expect([line, other.code, other.stderr]).toEqual([line, 0, ''])
      expect(other.stdout.equals(path.stdout)).toBe(true)
    }
    expect((await inProcess(['score', '-', csv, '--model', 'web', '--home', home])).code).toBe(2)
    expect((await cli(['score', '-', '--model', 'web', '--home', home, '--quiet'], { input: '' })).stderr).toMatch(
      /^deepwatch: source_empty: /,
    )
    expect(readdirSync(join(home, 'spool'))).toEqual([])
  })
})

describe('output', () => {
  const score = (...args: string[]) => inProcess(['score', csv, '--model', 'web', '--home', home, '--quiet', ...args])

  test('is the same scores in every format', async () => {
    const out = (name: string) => join(folder, name)
    const ndjson = await score('--include', 'host,cpu_percent')
    const lines = ndjson.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { summary } = lines.pop()
    expect(summary).toMatchObject({ model: 'web', version: 1, rows: lines.length })
    const comma = await score('--format', 'csv', '--include', 'host,cpu_percent')
    const [head, ...cells] = comma.text.trimEnd().split('\n')
    expect(head).toBe('row,anomaly_score,is_anomaly,reason,host,cpu_percent')
    expect(cells).toEqual(
      lines.map(
        ({ row, score, isAnomaly, values }) => `${row},${score},${isAnomaly},,${values.host},${values.cpu_percent}`,
      ),
    )
    const json = JSON.parse((await score('--json', '--return', 'all')).text)
    expect(json.results.map(({ score }: { score: number }) => score)).toEqual(lines.map(({ score }) => score))
    // The tables are read back by scoring nothing but themselves: their own columns are not features.
    for (const name of ['t.parquet', 't.arrow']) {
      const told = await score('--out', out(name), '--json')
      expect(JSON.parse(told.text)).toMatchObject(summary)
      const again = await cli([
        'score',
        out(name),
        '--model',
        'web',
        '--home',
        home,
        '--quiet',
        '--include',
        'anomaly_score',
      ])
      const read = again.text
        .trimEnd()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
      expect(read.map(({ values }) => values.anomaly_score)).toEqual(lines.map(({ score }) => score))
    }
    const piped = await score('--format', 'arrow')
    expect(piped.stdout.equals(readFileSync(out('t.arrow')))).toBe(true)
  })

  test('as CSV tells why a row has no score, and what training never saw', async () => {
    const [head, first] = readFileSync(csv, 'utf8').split('\n')
    const cells = first!.split(',')
    const far = [...cells.slice(0, 2), '9999', ...cells.slice(3)].join(',')
    const empty = [...cells.slice(0, 2), '', ...cells.slice(3)].join(',')
    writeFileSync(join(folder, 'odd.csv'), [head, first, far, empty, ''].join('\n'))
    const { text } = await inProcess([
      'score',
      join(folder, 'odd.csv'),
      '--model',
      'web',
      '--home',
      home,
      '--quiet',
      '--format',
      'csv',
    ])
    const [, usual, strange, lacking] = text.split('\n')
    expect(usual).toMatch(/^0,0\.\d+,false,$/)
    expect(strange).toMatch(/^1,0\.\d+,true,out_of_range cpu_percent$/)
    expect(lacking).toBe('2,,false,missing_value')
  })

  test('that nobody reads to its end ends quietly', async () => {
    const env = { STATE: home, CSV: csv }
    for (const line of [
      'deepwatch generate --days 3000 --hosts 50 | head -2 | wc -l',
      'deepwatch generate --days 3000 --hosts 50 --format arrow | head -c 9 | wc -c',
      'deepwatch score "$CSV" "$CSV" "$CSV" "$CSV" --model web --home "$STATE" | head -2 | wc -l',
    ]) {
      const { text, stderr } = await bash(`${line}; echo \${PIPESTATUS[0]}`, { env })
      expect([line, text, stderr]).toEqual([
        line,
        expect.stringMatching(/^[29]\n0\n$/),
        expect.not.stringMatching(/deepwatch:|Error/),
      ])
    }
    expect(readdirSync(join(home, 'spool'))).toEqual([])
  })

  test('is one JSON document where a program asks for it, and progress is never in it', async () => {
    const asked: string[][] = [
      ['train', csv, '--model', 'json', '--home', home],
      ['evaluate', csv, '--model', 'web', '--home', home],
      ['models', '--home', home],
      ['models', 'show', 'web', '--home', home],
      ['models', 'serve', 'web@1', '--home', home],
      ['models', 'rm', 'json@1', '--yes', '--home', home],
      ['report', csv, '--model', 'web', '--home', home, '--out', join(folder, 'r.svg')],
      ['report', '--model', 'web', '--home', home, '--out', join(folder, 'v.html')],
    ]
    const answers: Record<string, unknown>[] = []
    for (const args of asked) {
      const { code, text, stderr } = await inProcess([...args, '--json'])
      expect([args[0], code, stderr.includes('deepwatch:')]).toEqual([args[0], 0, false])
      expect(text.endsWith('\n') && !text.slice(0, -1).includes('\n')).toBe(true)
      answers.push(JSON.parse(text))
    }
    const [trained, evaluated, list, shown, serving, removed, report, version] = answers as Record<
      string,
      { name: string }[]
    >[]
    expect(trained).toMatchObject({ model: 'json', version: 1 })
    expect(evaluated).toMatchObject({ model: 'web', confusion: {} })
    expect(list!['models']!.map(({ name }) => name)).toContain('json')
    expect(shown).toMatchObject({ model: 'web', version: 1, serving: true })
    expect(serving).toMatchObject({ name: 'web', serving: 1 })
    expect(removed).toEqual({ removed: 'json@1' })
    expect(report).toMatchObject({ model: 'web', version: 1, format: 'svg' })
    expect(readFileSync(join(folder, 'r.svg'), 'utf8')).toMatch(/^<svg /)
    expect(version).toMatchObject({ format: 'html' })
    expect(readFileSync(join(folder, 'v.html'), 'utf8').toLowerCase()).toMatch(/^<!doctype html>/)
  })

  test('on a terminal: a bar on standard error, no bytes that are no text', async () => {
    const env = { STATE: home, CSV: csv, TERM: 'xterm', BIG: join(folder, 'big.csv') }
    const shell = (line: string, more = {}) => bash(`script -qec '${line}' /dev/null`, { env: { ...env, ...more } })
    const refused = await shell('"$NODE" "$CLI" score "$CSV" --model web --home "$STATE" --format arrow')
    expect(refused.code).toBe(2)
    expect(refused.text).toContain('deepwatch: validation_failed: --format: arrow is no text for a terminal')
    const drawn = await shell('"$NODE" "$CLI" generate --rows 400000 --out "$BIG"')
    expect(drawn.code).toBe(0)
    const frames = drawn.text.split('\r\x1b[K').slice(1)
    expect(frames.length).toBeGreaterThan(1)
    expect(drawn.text).toContain('\x1b[36m█')
    expect(drawn.text).toMatch(/\d+ % {2}\d+ k of 400 k rows {2}[\d.]+ [kM] rows\/s {2}0:\d\d left/)
    expect(drawn.text).toContain('400,000 rows of 8 hosts')
    const plain = await shell('"$NODE" "$CLI" generate --rows 100000 --out "$BIG"', { NO_COLOR: '1' })
    expect(plain.text).toContain('\r\x1b[K')
    expect(plain.text).not.toContain('\x1b[36m')
    const quiet = await shell('"$NODE" "$CLI" generate --rows 1000 --out "$BIG" --quiet')
    expect(quiet.text).toBe('')
  })
})

describe('progress', () => {
  function shown(columns: number | null) {
    let time = 0
    const texts: string[] = []
    const progress = createProgress(
      { write: (text) => void texts.push(text), columns: () => columns, color: false },
      () => time,
    )
    return { progress, texts, pass: (ms: number) => (time += ms) }
  }

  test('is drawn ten times a second at most', () => {
    const { progress, texts, pass } = shown(80)
    progress.begin('scoring', 10_000)
    for (let step = 0; step < 1_000; step++) {
      pass(1)
      progress.advance(10)
    }
    progress.end()
    expect(texts.length).toBeGreaterThanOrEqual(10)
    expect(texts.length).toBeLessThanOrEqual(13)
    for (const text of texts) expect(text.replace('\r\x1b[K', '').replace('\n', '').length).toBeLessThanOrEqual(80)
    expect(texts.at(-1)).toContain('10,000 rows in 1.00 s')
    expect(progress.stages).toEqual([{ stage: 'scoring', rows: 10_000, seconds: 1 }])
  })

  test('in a pipe is a line per stage and every few seconds', () => {
    const { progress, texts, pass } = shown(null)
    progress.begin('sampling', 100)
    for (let step = 0; step < 20; step++) {
      pass(1_000)
      progress.advance(5)
    }
    progress.begin('fitting', null)
    pass(100)
    progress.end()
    expect(texts.map((text) => text.split(' ')[0])).toEqual([
      'sampling',
      'sampling',
      'sampling',
      'sampling',
      'sampling',
      'fitting',
    ])
    expect(texts.every((text) => /^\P{Cc}+\n$/u.test(text))).toBe(true)
  })
})

describe('documents', () => {
  test('show only calls that the flags allow', async () => {
    const pages = readdirSync(new URL('docs', packageFolder)).filter((name) => name.endsWith('.md'))
    const names = ['README.md', 'CONTRIBUTING.md', 'examples/make.sh', ...pages.map((name) => `docs/${name}`)]
    const calls = names.flatMap((name) => {
      const text = readFileSync(new URL(name, packageFolder), 'utf8')
      return [...text.matchAll(/^(?:.*\| )?(?:node dist\/src\/cli\.js|deepwatch) ([a-z]+ .*)$/gm)].map(
        ([, call]) => call!,
      )
    })
    expect(calls.length).toBeGreaterThan(15)
    for (const call of calls) {
      const words = call.replace(/\s[#|<>].*$/, '').match(/'[^']*'|\S+/g)!
      const [name, ...args] = words.map((word) => word.replace(/^'(.*)'$/, '$1'))
      const each = command(name!)
      const flags = await settingFlags(each)
      const given = readArguments(args, [...each.own, ...flags])
      const schema = await each.schema?.()
      if (!schema) continue
      const settings = withDetector(settingsOf(given, flags))
      checkSettings(schema, 'model' in schema.shape ? { model: 'web', ...settings } : settings, flags)
    }
  })

  test('name every command', () => {
    const page = readFileSync(new URL('docs/cli.md', packageFolder), 'utf8')
    for (const { name } of commands) expect(page.includes(`| \`deepwatch ${name}`), name).toBe(true)
  })
})

describe('completion', () => {
  test('of bash knows commands, flags, choices and files', async () => {
    const complete = async (...words: string[]) => {
      const quoted = words.map((word) => `'${word}'`).join(' ')
      const line = `source <(deepwatch completion bash); COMP_WORDS=(deepwatch ${quoted}); COMP_CWORD=${words.length}; _deepwatch; printf '%s\\n' "\${COMPREPLY[@]}"`
      const { code, text, stderr } = await bash(line, { cwd: folder })
      expect([code, stderr]).toEqual([0, ''])
      return text.trimEnd().split('\n')
    }
    expect(await complete('tr')).toEqual(['train'])
    expect(await complete('train', '--lab')).toEqual(['--label'])
    expect(await complete('train', '--detector', 'isol')).toEqual(['isolation-forest'])
    expect(await complete('train', 'fleet.c')).toEqual(['fleet.csv'])
    expect(await complete('models', 'se')).toEqual(['serve'])
    expect(await complete('score', '--format', 'a')).toEqual(['arrow'])
    expect((await bash('source <(deepwatch completion bash); complete -p deepwatch')).text).toContain(
      '-F _deepwatch deepwatch',
    )
  })

  test('of zsh and fish names every command and flag, with its quotes closed', async () => {
    for (const shell of ['zsh', 'fish']) {
      const { code, text } = await inProcess(['completion', shell])
      expect(code).toBe(0)
      for (const each of commands) {
        expect(text).toContain(each.name)
        for (const { name } of [...each.own, ...(await settingFlags(each))]) {
          expect(text).toContain(shell === 'zsh' ? `'--${name}[` : `-l ${name} `)
        }
      }
      for (const line of text.split('\n')) expect(line.split("'").length % 2, line).toBe(1)
      const count = (mark: RegExp) => text.match(mark)?.length ?? 0
      if (shell === 'zsh') expect(count(/^ {4}[a-z]+\)$/gm)).toBe(count(/^ {6};;$/gm))
    }
    expect((await inProcess(['completion', 'tcsh'])).code).toBe(2)
  })
})

test('a model file of anybody is read as data: its name cannot lead out of the folder', async () => {
  const place = join(home, 'models', 'web', '00000001.dwm')
  const bytes = readFileSync(place)
  const forged = Buffer.from(bytes)
  forged.write('"model":"../', forged.indexOf('"model":"web"'))
  writeFileSync(join(folder, 'forged'), forged)
  const { code, stderr } = await inProcess(['score', csv, '--model', join(folder, 'forged'), '--quiet'])
  expect([code, stderr.slice(0, 27)]).toEqual([1, 'deepwatch: model_corrupt: T'])
  copyFileSync(place, join(folder, 'fine'))
  const fine = await inProcess(['score', csv, '--model', join(folder, 'fine'), '--return', 'none', '--quiet'])
  expect(fine.text).toMatch(/^\{"summary":\{"model":"web","version":1,/)
})
