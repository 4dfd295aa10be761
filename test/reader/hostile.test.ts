import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Bench, codeOf, readAll, sql, startBench, tryReading, writeParquet } from './tools.ts'

let bench: Bench

beforeAll(async () => {
  bench = await startBench()
  await writeParquet(
    join(bench.root, 'good.parquet'),
    'select i as n, i * 0.5::double as x from range(20000) t(i)',
    'row_group_size 2048',
  )
})

/** A copy of the good file with `change` made to its bytes. */
function damaged(name: string, change: (bytes: Buffer) => Buffer | undefined): string {
  const bytes = readFileSync(join(bench.root, 'good.parquet'))
  return bench.file(name, change(bytes) ?? bytes)
}

function footerOf(bytes: Buffer): number {
  return bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8)
}

describe('damaged Parquet', () => {
  test('is refused by its marks and footer before the database sees it', async () => {
    const cases: [string, (bytes: Buffer) => Buffer | undefined, string][] = [
      ['cut in the middle', (bytes) => bytes.subarray(0, bytes.length / 2), 'not_parquet'],
      ['without its last byte', (bytes) => bytes.subarray(0, -1), 'not_parquet'],
      ['without its first byte', (bytes) => bytes.subarray(1), 'not_parquet'],
      ['footer length 0', (bytes) => void bytes.writeUInt32LE(0, bytes.length - 8), 'not_parquet'],
      ['footer length beyond', (bytes) => void bytes.writeUInt32LE(bytes.length, bytes.length - 8), 'not_parquet'],
      ['encrypted end', (bytes) => void bytes.write('PARE', bytes.length - 4), 'parquet_encrypted'],
      ['marks only', () => Buffer.from('PAR1PAR1'), 'not_parquet'],
      ['CSV', () => Buffer.from('a,b\n1,2\n'), 'not_parquet'],
    ]
    for (const [what, change, code] of cases) {
      const name = damaged('marks.parquet', change)
      expect([what, await codeOf(bench.sources.fromPaths(name))]).toEqual([what, code])
    }
  })

  test('is refused when the footer or a page is broken, and never read as a shorter file', async () => {
    const cases: [string, (bytes: Buffer) => Buffer | undefined][] = [
      ['footer of zeros', (bytes) => void bytes.fill(0, footerOf(bytes), bytes.length - 8)],
      ['footer of ones', (bytes) => void bytes.fill(255, footerOf(bytes), bytes.length - 8)],
      [
        'footer length one less',
        (bytes) => void bytes.writeUInt32LE(bytes.readUInt32LE(bytes.length - 8) - 1, bytes.length - 8),
      ],
      ['pages of zeros', (bytes) => void bytes.fill(0, footerOf(bytes) / 2, footerOf(bytes))],
      [
        'a page of noise late in the file',
        (bytes) => void bytes.fill(0xa5, footerOf(bytes) - 3_000, footerOf(bytes) - 500),
      ],
      [
        'data missing before the footer',
        (bytes) => Buffer.concat([bytes.subarray(0, 2_000), bytes.subarray(footerOf(bytes))]),
      ],
    ]
    for (const [what, change] of cases) {
      const name = damaged('broken.parquet', change)
      expect([what, await tryReading(bench, name)]).toEqual([what, 'parquet_unreadable'])
    }
    expect(await tryReading(bench, 'good.parquet')).toBe('none')
  })

  test('mutated at random it gives rows or a refusal, and the next file is read', async () => {
    let random = 12345
    const next = (below: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((random / 2 ** 32) * below)
    }
    const allowed = new Set([
      'none',
      'parquet_unreadable',
      'not_parquet',
      'parquet_encrypted',
      'parquet_unsupported_codec',
      'decoded_too_large',
      'too_many_columns',
      'invalid_column_name',
      'duplicate_column',
      'timestamp_out_of_range',
      'deadline_exceeded',
    ])
    const seen = new Set<string>()
    for (let run = 0; run < 12; run++) {
      const name = damaged('mutant.parquet', (bytes) => {
        const footer = footerOf(bytes)
        for (let change = 0; change < 3; change++) bytes[footer + next(bytes.length - 8 - footer)] = next(256)
        return bytes
      })
      seen.add(await tryReading(bench, name))
    }
    expect([...seen].filter((code) => !allowed.has(code))).toEqual([])
    expect(await tryReading(bench, 'good.parquet')).toBe('none')
  })
})

describe('Parquet we do not read', () => {
  test('a compression that is not supported is named before data is read', async () => {
    const path = join(bench.root, 'codec.parquet')
    await writeParquet(path, 'select 1::double as qcol', 'compression snappy')
    const bytes = readFileSync(path)
    // In the column's metadata the codec follows the path: field header 0x15, then 2 for Snappy; 6 is LZO.
    const at = bytes.indexOf('qcol', bytes.indexOf('qcol', footerOf(bytes)) + 4) + 4
    expect([bytes[at], bytes[at + 1]]).toEqual([0x15, 2])
    bytes[at + 1] = 6
    writeFileSync(path, bytes)
    expect(await tryReading(bench, 'codec.parquet')).toBe('parquet_unsupported_codec')
  })

  test('an encrypted file is named as such', async () => {
    await sql('set force_mbedtls_unsafe = true')
    await sql(`pragma add_parquet_key('key', '0123456789112345')`)
    await writeParquet(join(bench.root, 'secret.parquet'), 'select 1 as n', `encryption_config {footer_key: 'key'}`)
    expect(await tryReading(bench, 'secret.parquet')).toBe('parquet_encrypted')
  })

  test('a file without rows is read as such', async () => {
    await writeParquet(join(bench.root, 'none.parquet'), 'select 1 as n where false')
    const session = await bench.open('none.parquet')
    expect(await session.describe()).toMatchObject({ rows: 0, columns: [{ name: 'n' }] })
    expect((await readAll(session, { features: [{ name: 'n', kind: 'number' }] })).rows).toBe(0)
    await session.close()
  })
})

describe('bombs', () => {
  test('rows x columns and the number of columns are judged by the footer', async () => {
    const small = await startBench({ maxCells: 1_000_000, maxColumns: 100 })
    await writeParquet(join(small.root, 'rows.parquet'), 'select 1 as a, 2 as b from range(600000)', 'compression zstd')
    await writeParquet(join(small.root, 'edge.parquet'), 'select 1 as a, 2 as b from range(500000)', 'compression zstd')
    await writeParquet(
      join(small.root, 'wide.parquet'),
      `select ${Array.from({ length: 101 }, (_, i) => `1 as c${i}`).join(', ')}`,
    )
    for (const [name, code] of [
      ['rows', 'decoded_too_large'],
      ['edge', 'none'],
      ['wide', 'too_many_columns'],
    ]) {
      const session = await small.open(`${name}.parquet`)
      expect([name, await codeOf(session.describe())]).toEqual([name, code])
      await session.close()
    }
  })

  test('a file of few bytes and two hundred million rows is read in bounded memory or refused', async () => {
    await writeParquet(
      join(bench.root, 'bomb.parquet'),
      'select 1::double as x from range(20000000)',
      'compression zstd, row_group_size 2000000',
    )
    const session = await bench.open('bomb.parquet')
    let rows = 0
    for await (const { block, release } of session.features({ features: [{ name: 'x', kind: 'number' }] })) {
      rows += block.rows
      release()
    }
    expect(rows).toBe(20_000_000)
    await session.close()
  })

  test('long texts are not decoded unless they are echoed, and echoed they are bounded', async () => {
    const small = await startBench({ maxDecodedTextBytes: 1_000_000 })
    await writeParquet(
      join(small.root, 'texts.parquet'),
      `select i as n, repeat('x', 100000) as t from range(2000) t(i)`,
      'compression zstd',
    )
    const session = await small.open('texts.parquet')
    const features = [{ name: 'n', kind: 'number' }] as const
    expect((await readAll(session, { features })).rows).toBe(2_000)
    expect(await codeOf(readAll(session, { features, include: ['t'] }))).toBe('decoded_too_large')
    await session.close()
  })

  test('a process that grows past its resident limit is killed and that is all', async () => {
    const tight = await startBench({ residentBytes: 40 * 1024 * 1024 })
    await writeParquet(join(tight.root, 'x.parquet'), 'select i as n from range(5000000) t(i)')
    expect(await tryReading(tight, 'x.parquet')).toBe('decoded_too_large')
    expect(tight.deaths).toEqual(['memory'])
  })

  test('an address space too small to start in is an error and no crash', async () => {
    const none = await startBench({ addressSpaceBytes: 64 * 1024 * 1024 })
    none.file('x.csv', 'a,b\n1,2\n')
    expect(await tryReading(none, 'x.csv')).toBe('internal_error')
  })
})

describe('raw names in Parquet', () => {
  /** A file whose two columns `aa` and `bb` got other names of the same length, in schema and column chunks alike. */
  async function renamed(first: string, second: string): Promise<string> {
    const path = join(bench.root, 'names.parquet')
    await writeParquet(path, 'select 1 as qaaq, 2 as qbbq')
    const bytes = readFileSync(path)
    for (const [from, to] of [
      ['qaaq', first],
      ['qbbq', second],
    ] as const) {
      for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from)) bytes.write(to, at, 'latin1')
    }
    writeFileSync(path, bytes)
    return 'names.parquet'
  }

  test('twins, case twins and names with NUL are refused, whatever the database makes of them', async () => {
    expect(await tryReading(bench, await renamed('same', 'same'))).toBe('duplicate_column')
    expect(await tryReading(bench, await renamed('same', 'SAME'))).toBe('duplicate_column')
    expect(await tryReading(bench, await renamed('x\0y1', 'x\0y2'))).toBe('invalid_column_name')
    expect(await tryReading(bench, await renamed('fine', 'also'))).toBe('none')
  })
})

describe('the sandbox', () => {
  test('the process gets an almost empty environment and dies with its pipe', async () => {
    const session = await bench.open('good.parquet')
    await session.describe()
    const children = execFileSync('pgrep', ['-P', String(process.pid), '-f', 'workers/reader.js'], { encoding: 'utf8' })
    const pids = children.trim().split('\n').map(Number)
    expect(pids.length).toBeGreaterThan(0)
    for (const pid of pids) {
      const variables = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .filter((text) => text !== '')
      expect(
        variables
          .map((text) => text.split('=')[0])
          .filter(
            (name) => !['HOME', 'LANG', 'UV_THREADPOOL_SIZE', 'PWD', 'OLDPWD', '_', 'SHLVL'].includes(name ?? ''),
          ),
      ).toEqual([])
      const limit = /Max address space\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1]
      expect(Number(limit)).toBe(4096 * 1024 * 1024)
    }
    await session.close()
  })
})
