import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createSources } from '../../src/sources/sources.ts'
import { freshFolder } from '../endings.ts'
import { type Bench, codeOf, readAll, startBench, writeParquet } from '../reader/tools.ts'

/** A root with something in it, and beside it what must stay out of reach. */
async function layPaths(): Promise<{ bench: Bench; outside: string }> {
  const bench = await startBench()
  const { root } = bench
  const outside = join(root, '..', 'outside')
  for (const folder of [outside, join(root, 'sub'), join(root, 'empty'), `${root}-twin`]) mkdirSync(folder)
  writeFileSync(join(outside, 'secret.csv'), 'a,b\n1,2\n')
  writeFileSync(join(`${root}-twin`, 'secret.csv'), 'a,b\n1,2\n')
  for (const name of [
    'a.csv',
    'sub/b.csv',
    'a[1].csv',
    'a*.csv',
    'q?.csv',
    '{x,y}.csv',
    '%2e%2e.csv',
    'a#b.csv',
    'a;b.csv',
    'é 🚀.csv',
    "quo'te.csv",
    'back\\slash.csv',
    'new\nline.csv',
    '-rf.csv',
    'time-2025-01-01T00:00.csv',
  ]) {
    writeFileSync(join(root, name), `name,n\n"${name}",1\n`)
  }
  writeFileSync(join(root, 'zero.csv'), '')
  symlinkSync(join(outside, 'secret.csv'), join(root, 'link-out.csv'))
  symlinkSync(join(outside, 'nothing-here.csv'), join(root, 'link-nowhere.csv'))
  symlinkSync(outside, join(root, 'folder-out'))
  symlinkSync('loop', join(root, 'loop'))
  symlinkSync('sub/b.csv', join(root, 'link-in.csv'))
  linkSync(join(outside, 'secret.csv'), join(root, 'hard.csv'))
  execFileSync('mkfifo', [join(root, 'fifo.csv')])
  return { bench, outside }
}

describe('paths', () => {
  test('no spelling leads out of the data roots', async () => {
    const { bench, outside } = await layPaths()
    const { root } = bench
    const spellings: [string, string][] = [
      ['', 'path_not_allowed'],
      ['..', 'path_not_allowed'],
      ['../outside/secret.csv', 'path_not_allowed'],
      ['../outside/nothing.csv', 'path_not_allowed'],
      ['sub/../../outside/secret.csv', 'path_not_allowed'],
      ['./../outside/secret.csv', 'path_not_allowed'],
      ['sub/../../../../../../../../etc/passwd', 'path_not_allowed'],
      ['/etc/passwd', 'path_not_allowed'],
      ['/etc/no-such-file', 'path_not_allowed'],
      ['//etc/passwd', 'path_not_allowed'],
      ['///etc/passwd', 'path_not_allowed'],
      ['/', 'path_not_allowed'],
      ['//proc/self/environ', 'path_not_allowed'],
      ['/proc/self/fd/0', 'path_not_allowed'],
      ['/proc/self/root/etc/passwd', 'path_not_allowed'],
      ['/dev/stdin', 'path_not_allowed'],
      ['/dev/zero', 'path_not_allowed'],
      [`${root}/../outside/secret.csv`, 'path_not_allowed'],
      [`${root}-twin/secret.csv`, 'path_not_allowed'],
      [`${root}-twin/nothing.csv`, 'path_not_allowed'],
      [join(outside, 'secret.csv'), 'path_not_allowed'],
      [join(outside, 'nothing.csv'), 'path_not_allowed'],
      ['link-out.csv', 'path_not_allowed'],
      ['link-nowhere.csv', 'path_not_allowed'],
      ['folder-out/secret.csv', 'path_not_allowed'],
      ['folder-out/nothing.csv', 'path_not_allowed'],
      ['folder-out', 'path_not_allowed'],
      ['loop', 'path_not_allowed'],
      ['loop/x.csv', 'path_not_allowed'],
      ['hard.csv', 'path_not_allowed'],
      ['~', 'path_not_allowed'],
      ['~/a.csv', 'path_not_allowed'],
      ['~root/a.csv', 'path_not_allowed'],
      ['a.csv\0', 'path_not_allowed'],
      ['\0/etc/passwd', 'path_not_allowed'],
      ['a.csv\0.parquet', 'path_not_allowed'],
      ['x'.repeat(5_000), 'path_not_allowed'],
      ['http://127.0.0.1/a.csv', 'url_not_allowed'],
      ['https://example.org/a.parquet', 'url_not_allowed'],
      ['HTTP://127.0.0.1/a.csv', 'url_not_allowed'],
      ['http:/a.csv', 'url_not_allowed'],
      ['s3://bucket/a.parquet', 'url_not_allowed'],
      ['s3:bucket', 'url_not_allowed'],
      ['gcs://bucket/a', 'url_not_allowed'],
      ['gs://bucket/a', 'url_not_allowed'],
      ['hf://datasets/a', 'url_not_allowed'],
      ['azure://c/a', 'url_not_allowed'],
      ['abfss://c/a', 'url_not_allowed'],
      ['r2://c/a', 'url_not_allowed'],
      ['file:///etc/passwd', 'url_not_allowed'],
      ['file:a.csv', 'url_not_allowed'],
      ['file://./a.csv', 'url_not_allowed'],
      ['ftp://user:word@host/a', 'url_not_allowed'],
      ['data:text/csv,a', 'url_not_allowed'],
      ['zip://a.csv', 'url_not_allowed'],
      ['\\\\host\\share\\a.csv', 'source_not_found'],
      ['..\\outside\\secret.csv', 'source_not_found'],
      ['%2e%2e/outside/secret.csv', 'source_not_found'],
      ['%252e%252e%252foutside', 'source_not_found'],
      ['..%2foutside%2fsecret.csv', 'source_not_found'],
      ['..;/outside/secret.csv', 'source_not_found'],
      ['.../outside/secret.csv', 'source_not_found'],
      ['．．/outside/secret.csv', 'source_not_found'],
      ['nothing.csv', 'source_not_found'],
      ['a.csv/x', 'source_not_found'],
      ['a.csv#fragment', 'source_not_found'],
      ['*.csv', 'path_not_allowed'],
      ['folder-out/*.csv', 'path_not_allowed'],
      ['../outside/*.csv', 'path_not_allowed'],
      ['/etc/*', 'path_not_allowed'],
      ['~/*.csv', 'path_not_allowed'],
      ['s3://bucket/*.csv', 'url_not_allowed'],
      ['*.txt', 'source_not_found'],
      ['sub/?', 'source_not_found'],
      ['*/b.csv', 'source_not_found'],
      ['[a].csv', 'source_not_found'],
      ['{a,b}.csv', 'source_not_found'],
      ['**/b.csv', 'source_not_found'],
      ['$HOME/a.csv', 'source_not_found'],
      ['fifo.csv', 'source_not_regular'],
      ['zero.csv', 'source_empty'],
      ['empty', 'source_empty'],
    ]
    expect(spellings.length).toBeGreaterThanOrEqual(60)
    const wrong: string[] = []
    for (const [spelling, expected] of spellings) {
      const code = await codeOf(bench.sources.fromPaths(spelling))
      if (code !== expected) wrong.push(`${JSON.stringify(spelling.slice(0, 80))}: ${code}, not ${expected}`)
    }
    expect(wrong).toEqual([])
  })

  test('what exists outside and what does not are told apart by nothing', async () => {
    const { bench, outside } = await layPaths()
    const answer = (path: string): Promise<unknown> =>
      bench.sources
        .fromPaths(path)
        .catch((error: Error & { code: string; facts: unknown }) => [error.code, error.message, error.facts])
    for (const [one, other] of [
      ['/etc/passwd', '/etc/no-such-file'],
      [join(outside, 'secret.csv'), join(outside, 'nothing.csv')],
      ['link-out.csv', 'link-nowhere.csv'],
      ['folder-out/secret.csv', 'folder-out/nothing.csv'],
    ] as const) {
      expect(await answer(one)).toEqual(await answer(other))
    }
  })

  test('a strange name inside a root is that file and no pattern', async () => {
    const { bench } = await layPaths()
    const names = [
      'a[1].csv',
      'a*.csv',
      'q?.csv',
      '{x,y}.csv',
      '%2e%2e.csv',
      'a#b.csv',
      'a;b.csv',
      'é 🚀.csv',
      "quo'te.csv",
      'back\\slash.csv',
      '-rf.csv',
      'time-2025-01-01T00:00.csv',
    ]
    for (const name of names) {
      const session = await bench.open(name)
      const { text } = await readAll(session, { features: [{ name: 'n', kind: 'number' }], include: ['name'] })
      expect(text).toEqual([`"name":${JSON.stringify(name)}`])
      await session.close()
    }
  })

  test('inside a root a path may be absolute, relative, winding, or a link that stays inside', async () => {
    const { bench } = await layPaths()
    for (const path of ['a.csv', './a.csv', 'sub/../a.csv', join(bench.root, 'a.csv'), 'sub//b.csv', 'link-in.csv']) {
      const source = await bench.sources.fromPaths(path)
      expect(source.files.length).toBe(1)
      expect(source.files[0]?.name).not.toContain('/')
    }
  })

  test('a relative path is looked up in each root, and a root that is a link is still a root', async () => {
    const home = await freshFolder()
    const first = await freshFolder()
    const second = await freshFolder()
    writeFileSync(join(second, 'x.csv'), 'a,b\n1,2\n')
    symlinkSync(second, join(home, 'alias'))
    const limits = {
      home,
      maxFiles: 10,
      uploadBytes: 1,
      spoolBytes: 1,
      uploadStallMs: 1,
      uploadMinRate: 0,
      uploadGraceMs: 1,
    }
    const sources = createSources({ ...limits, roots: [join(home, 'absent'), first, join(home, 'alias')] })
    expect((await sources.fromPaths('x.csv')).files.length).toBe(1)
    expect((await sources.fromPaths(join(home, 'alias', 'x.csv'))).files.length).toBe(1)
    expect((await sources.fromPaths(join(second, 'x.csv'))).files.length).toBe(1)
    expect(await codeOf(createSources({ ...limits, roots: [] }).fromPaths('x.csv'))).toBe('path_not_allowed')
  })

  test('a file that changes or is replaced is noticed, before it is opened and after it was read', async () => {
    const { bench } = await layPaths()
    const { root } = bench
    const before = await bench.sources.fromPaths('a.csv')
    writeFileSync(join(root, 'a.csv'), 'name,n\nother,22\n')
    expect(await codeOf(bench.readers.open(before))).toBe('source_changed')
    const source = await bench.sources.fromPaths('a.csv')
    const session = await bench.readers.open(source)
    await session.describe()
    writeFileSync(join(root, 'new.csv'), 'name,n\nother,22\n')
    renameSync(join(root, 'new.csv'), join(root, 'a.csv'))
    expect(await codeOf(readAll(session, { features: [{ name: 'n', kind: 'number' }] }))).toBe('source_changed')
    await session.close()
  })
})

describe('lists and folders', () => {
  test('a list is read in its order, a folder by path bytes, and folder names are columns', async () => {
    const bench = await startBench()
    const folders = ['host=b', 'host=a/day=2', 'host=a/day=10', 'host=%20x']
    let n = 0
    for (const folder of folders) {
      mkdirSync(join(bench.root, 'data', folder), { recursive: true })
      await writeParquet(join(bench.root, 'data', folder, 'x.parquet'), `select ${n++}::double as n`)
    }
    await writeParquet(join(bench.root, 'data', 'z.parquet'), `select ${n++}::double as n`)
    for (const hidden of ['.hidden.parquet', '_SUCCESS', 'notes.txt'])
      writeFileSync(join(bench.root, 'data', hidden), 'x')
    const session = await bench.open('data')
    const { columns, rows } = await session.describe()
    expect(rows).toBe(5)
    expect(columns.map(({ name, kind, partition }) => [name, kind, partition])).toEqual([
      ['n', 'number', false],
      ['host', 'text', true],
      ['day', 'text', true],
    ])
    const read = await readAll(session, { features: [{ name: 'n', kind: 'number' }], include: ['host', 'day'] })
    expect(read.lanes).toEqual([[3, 2, 1, 0, 4]])
    expect(read.text).toEqual([
      '"host":" x","day":null',
      '"host":"a","day":"10"',
      '"host":"a","day":"2"',
      '"host":"b","day":null',
      '"host":null,"day":null',
    ])
    await session.close()
    const list = await bench.open(['data/z.parquet', 'data/host=b/x.parquet'])
    expect((await readAll(list, { features: [{ name: 'n', kind: 'number' }], extra: { row: true } })).lanes).toEqual([
      [4, 0],
      [0, 1],
    ])
    expect((await list.describe()).columns.length).toBe(1)
    await list.close()
  })

  test('folders refuse links that lead out, and lists refuse folders and mixtures', async () => {
    const { bench, outside } = await layPaths()
    await writeParquet(join(outside, 'x.parquet'), 'select 1 as n')
    mkdirSync(join(bench.root, 'linked'))
    symlinkSync(join(outside, 'x.parquet'), join(bench.root, 'linked', 'x.parquet'))
    expect(await codeOf(bench.sources.fromPaths('linked'))).toBe('path_not_allowed')
    mkdirSync(join(bench.root, 'nested'))
    symlinkSync(outside, join(bench.root, 'nested', 'in'))
    expect(await codeOf(bench.sources.fromPaths('nested'))).toBe('path_not_allowed')
    await writeParquet(join(bench.root, 'x.parquet'), 'select 1 as n')
    expect(await codeOf(bench.sources.fromPaths(['a.csv', 'x.parquet']))).toBe('format_mismatch')
    expect(await codeOf(bench.sources.fromPaths(['a.csv', 'sub']))).toBe('source_not_regular')
    expect(await codeOf(bench.sources.fromPaths([]))).toBe('source_empty')
    const few = await startBench({}, { maxFiles: 2 })
    for (const name of ['1', '2', '3']) await writeParquet(join(few.root, `${name}.parquet`), 'select 1 as n')
    expect(await codeOf(few.sources.fromPaths(few.root))).toBe('too_many_files')
    expect(await codeOf(few.sources.fromPaths(['1.parquet', '2.parquet', '3.parquet']))).toBe('too_many_files')
  })
})

describe('uploads', () => {
  const spooled = (bench: Bench): string[] => {
    try {
      return readdirSync(join(bench.home, 'spool'))
    } catch {
      return []
    }
  }
  const csv = 'a,b\n1,2\n'

  test('an upload is spooled, hashed, read and removed', async () => {
    const bench = await startBench()
    const source = await bench.sources.fromUpload(Readable.from([Buffer.from('a,b\n'), Buffer.from('1,2\n')]), {
      mediaType: 'text/csv',
    })
    expect(source.digest).toBe(createHash('sha256').update(csv).digest('hex'))
    expect([source.kind, source.format, source.bytes]).toEqual(['upload', 'csv', 8])
    expect(spooled(bench).length).toBe(1)
    const session = await bench.readers.open(source)
    expect((await readAll(session, { features: [{ name: 'b', kind: 'number' }] })).lanes).toEqual([[2]])
    await session.close()
    await source.dispose()
    await source.dispose()
    expect(spooled(bench)).toEqual([])
  })

  test('what is refused leaves nothing behind', async () => {
    const bench = await startBench({}, { uploadBytes: 1_000, spoolBytes: 1_500 })
    const from = (content: string | Buffer, mediaType: string | null = null, contentDigest: string | null = null) =>
      codeOf(bench.sources.fromUpload(Readable.from([Buffer.from(content)]), { mediaType, contentDigest }))
    const digest = createHash('sha256').update(csv).digest('base64')
    expect(await from('')).toBe('source_empty')
    expect(await from('x'.repeat(1_001))).toBe('body_too_large')
    expect(await from(csv, 'application/vnd.apache.parquet')).toBe('format_mismatch')
    expect(await from(csv, 'application/xml')).toBe('unsupported_media_type')
    expect(await from(csv, null, `sha-256=:${digest.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}:`)).toBe(
      'digest_mismatch',
    )
    expect(await from(csv, null, 'sha-256=garbage')).toBe('malformed_request')
    expect(spooled(bench)).toEqual([])
    const kept = await bench.sources.fromUpload(Readable.from([Buffer.from(`a,b\n${'1,2\n'.repeat(200)}`)]), {
      mediaType: null,
    })
    expect(await from(`a,b\n${'1,2\n'.repeat(200)}`)).toBe('storage_full')
    expect(spooled(bench).length).toBe(1)
    await kept.dispose()
    expect(await from(csv, null, `unknown=:AAAA:, sha-256=:${digest}:`)).toBe('none')
    await bench.sources.sweep()
    expect(spooled(bench)).toEqual([])
  })

  test('an upload that breaks off, is given up, stalls or crawls is refused and gone', async () => {
    const bench = await startBench({}, { uploadStallMs: 50 })
    const broken = new PassThrough()
    const first = codeOf(bench.sources.fromUpload(broken, { mediaType: null }))
    broken.write(csv)
    broken.destroy(new Error('reset'))
    expect(await first).toBe('incomplete_body')
    const closed = new PassThrough()
    const second = codeOf(bench.sources.fromUpload(closed, { mediaType: null }))
    closed.write(csv)
    closed.destroy()
    expect(await second).toBe('incomplete_body')
    const abort = new AbortController()
    const third = codeOf(bench.sources.fromUpload(new PassThrough(), { mediaType: null, signal: abort.signal }))
    abort.abort()
    expect(await third).toBe('incomplete_body')
    const silent = new PassThrough()
    expect(await codeOf(bench.sources.fromUpload(silent, { mediaType: null }))).toBe('request_timeout')
    expect(silent.destroyed).toBe(false)
    const slow = await startBench({}, { uploadMinRate: 1_000_000, uploadGraceMs: 30 })
    async function* crawl(): AsyncGenerator<Buffer> {
      for (;;) {
        await new Promise((later) => setTimeout(later, 10))
        yield Buffer.from('x')
      }
    }
    expect(await codeOf(slow.sources.fromUpload(Readable.from(crawl()), { mediaType: null }))).toBe('request_timeout')
    expect([...spooled(bench), ...spooled(slow)]).toEqual([])
  })

  test('rows are spooled as NDJSON and read like any source', async () => {
    const bench = await startBench()
    const source = await bench.sources.fromRows([{ n: 1, ok: true }, { n: 0.1 }, { n: null, ok: false }])
    const session = await bench.readers.open(source)
    const features = [
      { name: 'n', kind: 'number' },
      { name: 'ok', kind: 'boolean' },
    ] as const
    expect((await readAll(session, { features })).lanes).toEqual([
      [1, 0.1, Number.NaN],
      [1, Number.NaN, 0],
    ])
    await session.close()
    await source.dispose()
    expect(spooled(bench)).toEqual([])
  })
})
