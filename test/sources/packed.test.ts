import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { type Bench, readAll, sql, startBench, tryReading, writeParquet } from '../reader/tools.ts'

const csv = 'n,host\n1,a\n2,b\n'
const lines = '{"n":1,"host":"a"}\n{"n":2,"host":"b"}\n'
const n = [{ name: 'n', kind: 'number' }] as const

const spooled = (bench: Bench): string[] => {
  try {
    return readdirSync(join(bench.home, 'spool'))
  } catch {
    return []
  }
}

/** The values of `n`, by path. Nothing may stay in the spool. */
async function valuesOf(bench: Bench, paths: string | readonly string[]): Promise<number[]> {
  const source = await bench.sources.fromPaths(paths)
  const session = await bench.readers.open(source)
  const { lanes } = await readAll(session, { features: n })
  await session.close()
  await source.dispose()
  expect(spooled(bench)).toEqual([])
  return lanes[0]!
}

async function refusal(promise: Promise<unknown>): Promise<{ code: string; message: string; facts: object }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof DeepWatchError) return { code: error.code, message: error.message, facts: error.facts }
    throw error
  }
  throw new Error('it was not refused')
}

describe('a packed file by path', () => {
  test('is read like a plain one, whatever it is packed with and called', async () => {
    const bench = await startBench()
    await writeParquet(join(bench.root, 'x.parquet'), 'select unnest([1, 2]) as n')
    await sql(`copy (select unnest([1, 2]) as n) to '${join(bench.root, 'x.csv.zst')}' (format csv, compression zstd)`)
    const utf16 = Buffer.from(`\ufeff${csv}`, 'utf16le')
    for (const [name, content] of [
      ['x.csv.gz', gzipSync(csv)],
      ['no-ending', gzipSync(csv)],
      ['x.ndjson.gz', gzipSync(lines)],
      ['x.parquet.gz', gzipSync(readFileSync(join(bench.root, 'x.parquet')))],
      ['utf16.csv', utf16],
      ['utf16-big.csv', Buffer.from(utf16).swap16()],
      ['utf16.csv.gz', gzipSync(utf16)],
    ] as const)
      bench.file(name, content)
    for (const name of readdirSync(bench.root)) expect([name, ...(await valuesOf(bench, name))]).toEqual([name, 1, 2])
    expect(await valuesOf(bench, ['x.csv.gz', 'no-ending', 'utf16.csv'])).toEqual([1, 2, 1, 2, 1, 2])
  })

  test('keeps its own name and bytes, and is watched while the copy is read', async () => {
    const bench = await startBench()
    const packed = gzipSync(csv)
    bench.file('x.csv.gz', packed)
    const source = await bench.sources.fromPaths('x.csv.gz')
    expect([source.kind, source.format, source.bytes]).toEqual(['path', 'csv', packed.length])
    expect(source.files.map(({ name, bytes }) => [name, bytes])).toEqual([['x.csv.gz', csv.length]])
    const session = await bench.readers.open(source)
    bench.file('x.csv.gz', gzipSync('n,host\n7,a\n'))
    expect(await refusal(readAll(session, { features: n }))).toMatchObject({
      code: 'source_changed',
      message: expect.stringContaining('x.csv.gz'),
    })
    await session.close()
    await source.dispose()
    expect(spooled(bench)).toEqual([])
  })

  test('what cannot be read is named with its file, and leaves nothing behind', async () => {
    const bench = await startBench({}, { uploadBytes: 100_000 })
    const zip = Buffer.from('PK\x03\x04rest of it')
    const tar = Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\x0000'), Buffer.alloc(248)])
    const refused: [string, Buffer, string, RegExp][] = [
      ['cut.csv.gz', gzipSync(csv).subarray(0, -4), 'source_unreadable', /too early/],
      ['twice.csv.gz', gzipSync(gzipSync(csv)), 'unknown_format', /gzip inside gzip; unpack it once/],
      ['zip.csv.gz', gzipSync(zip), 'unknown_format', /ZIP archive; unpack it/],
      ['zip.csv', zip, 'unknown_format', /ZIP archive; unpack it/],
      ['x.tar.gz', gzipSync(tar), 'unknown_format', /tar archive; unpack it/],
      ['x.bz2', Buffer.from('BZh91AY&SY\0\xff', 'latin1'), 'unknown_format', /bzip2/],
      ['x.xz', Buffer.from('\xfd7zXZ\0\0', 'latin1'), 'unknown_format', /xz; unpack/],
      ['empty.gz', gzipSync(''), 'source_empty', /empty/],
      ['no.parquet.gz', gzipSync(csv), 'not_parquet', /Parquet/],
      ['bomb.csv.gz', gzipSync(Buffer.alloc(1_000_000, 'a,b\n')), 'decoded_too_large', /100000 bytes/],
      [
        'latin1.csv',
        Buffer.from('n,ort\n1,Köln\n', 'latin1'),
        'unknown_format',
        /line 2.*iconv -f windows-1252 -t utf-8/,
      ],
      ['bare.csv', Buffer.from(csv, 'utf16le'), 'unknown_format', /iconv -f utf-16le -t utf-8/],
      ['array.json', Buffer.from('[{"n":1}]'), 'unknown_format', /JSON array/],
      ['page.csv', Buffer.from('<html>'), 'unknown_format', /HTML/],
    ]
    bench.file('good.csv.gz', gzipSync(csv))
    for (const [name, content, code, message] of refused) {
      bench.file(name, content)
      for (const paths of [name, ['good.csv.gz', name]]) {
        const got = await refusal(bench.sources.fromPaths(paths))
        expect([name, got.code]).toEqual([name, code])
        expect(got.message).toMatch(message)
        expect(got).toMatchObject({ message: expect.stringContaining(name), facts: { file: name } })
      }
    }
    expect(spooled(bench)).toEqual([])
    expect(await valuesOf(bench, 'good.csv.gz')).toEqual([1, 2])
  })

  test('unpacked bytes count for the spool', async () => {
    const bench = await startBench({}, { spoolBytes: 50_000 })
    bench.file('x.csv.gz', gzipSync(`n,host\n${'1,a\n'.repeat(30_000)}`))
    expect((await refusal(bench.sources.fromPaths('x.csv.gz'))).code).toBe('storage_full')
    expect(spooled(bench)).toEqual([])
  })
})

describe('a packed upload', () => {
  test('is unpacked beside what arrived, whose bytes and digest are told', async () => {
    const bench = await startBench()
    const packed = gzipSync(csv)
    for (const mediaType of [null, 'text/csv', 'application/gzip', 'application/octet-stream']) {
      const source = await bench.sources.fromUpload(Readable.from([packed]), { mediaType })
      expect([source.format, source.bytes]).toEqual(['csv', packed.length])
      const session = await bench.readers.open(source)
      expect((await readAll(session, { features: n })).lanes).toEqual([[1, 2]])
      await session.close()
      await source.dispose()
      expect(spooled(bench)).toEqual([])
    }
  })

  test('is what its Content-Encoding says', async () => {
    const bench = await startBench({}, { uploadBytes: 100_000 })
    const upload = (body: string | Buffer, encoding: 'gzip' | 'zstd') =>
      refusal(bench.sources.fromUpload(Readable.from([Buffer.from(body)]), { mediaType: 'text/csv', encoding }))
    expect((await upload(csv, 'gzip')).code).toBe('format_mismatch')
    expect((await upload(gzipSync(csv), 'zstd')).code).toBe('format_mismatch')
    expect((await upload(gzipSync(lines), 'gzip')).code).toBe('format_mismatch')
    expect((await upload(gzipSync(Buffer.alloc(1_000_000, 'a,b\n')), 'gzip')).code).toBe('decoded_too_large')
    expect(spooled(bench)).toEqual([])
  })
})

describe('folders and patterns', () => {
  async function layFiles(): Promise<Bench> {
    const bench = await startBench({}, { maxFiles: 4 })
    for (const folder of ['csv', 'csv/sub', 'lines', 'mixed']) mkdirSync(join(bench.root, folder))
    for (const [name, content] of [
      ['csv/b.csv', 'n\n2\n'],
      ['csv/a.csv.gz', gzipSync('n\n1\n')],
      ['csv/sub/c.CSV', 'n\n3\n'],
      ['csv/_metadata.csv', 'x'],
      ['csv/.hidden.csv', 'x'],
      ['csv/notes.txt', 'x'],
      ['lines/1.json', '{"n":1}\n'],
      ['lines/2.jsonl', '{"n":2}\n'],
      ['mixed/one.csv', 'n\n1\n'],
      ['mixed/two.ndjson', '{"n":1}\n'],
      ['mixed/é.csv', 'n\n5\n'],
    ] as const)
      writeFileSync(join(bench.root, name), content)
    return bench
  }

  test('a folder of one format is read by path bytes', async () => {
    const bench = await layFiles()
    expect(await valuesOf(bench, 'csv')).toEqual([1, 2, 3])
    expect(await valuesOf(bench, 'lines')).toEqual([1, 2])
  })

  test('folder names that would be columns are refused for anything but Parquet', async () => {
    const bench = await layFiles()
    mkdirSync(join(bench.root, 'csv', 'host=b'))
    writeFileSync(join(bench.root, 'csv/host=b/d.csv'), 'n\n4\n')
    const { code, message } = await refusal(bench.sources.fromPaths('csv'))
    expect([code, message]).toEqual(['format_mismatch', expect.stringContaining('host=… are columns of Parquet')])
    expect(await valuesOf(bench, 'csv/host=b')).toEqual([4])
  })

  test('a folder of two formats is refused with a file of each', async () => {
    const bench = await layFiles()
    const { code, message } = await refusal(bench.sources.fromPaths('mixed'))
    expect(code).toBe('format_mismatch')
    expect(message).toContain('one.csv is CSV, two.ndjson is NDJSON')
  })

  test('a folder that holds a file and its packed form is refused with both names', async () => {
    const bench = await layFiles()
    writeFileSync(join(bench.root, 'csv/b.csv.gz'), gzipSync('n\n2\n'))
    const { code, message } = await refusal(bench.sources.fromPaths('csv'))
    expect([code, message]).toEqual(['format_mismatch', expect.stringMatching(/b\.csv.* and b\.csv.*twice/)])
  })

  test('a pattern stands for the files of one folder, by the bytes of their names', async () => {
    const bench = await layFiles()
    expect(await valuesOf(bench, 'mixed/*.csv')).toEqual([1, 5])
    expect(await valuesOf(bench, join(bench.root, 'mixed', '?.csv'))).toEqual([5])
    expect(await valuesOf(bench, ['csv/*.gz', 'mixed/o*e.c*v'])).toEqual([1, 1])
    expect(await tryReading(bench, 'csv/*.CSV')).toBe('source_not_found')
    expect(await tryReading(bench, 'csv/_*')).toBe('source_not_found')
    expect(await tryReading(bench, 'csv/.*')).toBe('source_not_found')
    for (let file = 0; file < 5; file++) bench.file(`many${file}.csv`, 'n\n1\n')
    expect(await tryReading(bench, 'many*')).toBe('too_many_files')
  })

  test('a pattern of many stars is compared in bounded time', async () => {
    const bench = await startBench()
    bench.file(`${'a'.repeat(200)}.csv`, 'n\n1\n')
    expect(await tryReading(bench, `${'*a'.repeat(150)}*b`)).toBe('source_not_found')
    expect(await tryReading(bench, `${'*a'.repeat(150)}*.csv`)).toBe('none')
  })
})
