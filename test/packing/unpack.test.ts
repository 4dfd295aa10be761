import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { type Packing, packingOf, unpackWhole } from '../../src/packing/index.ts'

const MIB = 1024 * 1024
const csv = 'a,b\n1,2\n3,4\n'

/** One frame of raw and repeated blocks, as RFC 8878 has them: `size` is written as four bytes, the window is the content. */
function frame(blocks: readonly (Buffer | { byte: number; times: number })[], size: number, mark = 0xfd2fb528): Buffer {
  const head = Buffer.alloc(9)
  head.writeUInt32LE(mark)
  head[4] = 0xa0
  head.writeUInt32LE(size, 5)
  const parts = blocks.map((block, at) => {
    const isLast = Number(at === blocks.length - 1)
    const isRaw = Buffer.isBuffer(block)
    const header = Buffer.alloc(3)
    header.writeUIntLE(isLast | (isRaw ? 0 : 2) | ((isRaw ? block.length : block.times) << 3), 0, 3)
    return Buffer.concat([header, isRaw ? block : Buffer.from([block.byte])])
  })
  return Buffer.concat([head, ...parts])
}

const plainFrame = frame([Buffer.from(csv)], csv.length)
const ours = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
/** Written by zstd 1.5.4: thirty lines `0,0.5` to `29,0.5`, compressed, with a checksum. */
const compressed = Buffer.from(
  'KLUv/QRYPQMApAIwLDAuNQoxMjM0NTY3ODkxMDExMTExMTExMTIyMjIyMjIyMjI5LDAuNQocAGAIGAcGA0PAODAYGALGwWBJDEFi3BGDGTGkiHFEDDbEECHGBWGYVtdAEyAHjoEmQA4cA02A3FzFCJb1NUw=',
  'base64',
)

async function verdict(packing: Packing, packed: Buffer, limit = MIB): Promise<string> {
  try {
    return (await unpackWhole(packing, packed, limit)).toString()
  } catch (error) {
    if (error instanceof DeepWatchError) return `${error.code}: ${error.message}`
    throw error
  }
}

describe('Zstandard', () => {
  const sound: [string, Buffer, string][] = [
    ['one frame', plainFrame, csv],
    ['frames end to end', Buffer.concat([plainFrame, plainFrame]), csv + csv],
    [
      'frames with one for others before, between and behind',
      Buffer.concat([ours, plainFrame, ours, plainFrame, ours]),
      csv + csv,
    ],
    ['an empty frame', frame([Buffer.alloc(0)], 0), ''],
    ['a repeated byte', frame([{ byte: 0x41, times: 5 }], 5), 'AAAAA'],
  ]
  test.each(sound)('%s is unpacked', async (_, packed, expected) => {
    expect(packingOf(packed)).toBe('zstd')
    expect(await verdict('zstd', packed)).toBe(expected)
  })

  test('every cut of a file is found', async () => {
    for (const cut of [1, 2, 8, 20]) {
      expect(await verdict('zstd', plainFrame.subarray(0, -cut))).toMatch(/^source_unreadable: .*too early/)
    }
  })

  const broken: [string, Buffer][] = [
    ['noise behind it', Buffer.concat([plainFrame, Buffer.from('something')])],
    ['a size that is not so', frame([Buffer.from(csv)], csv.length + 1)],
    ['a block of a kind that is not', Buffer.concat([plainFrame.subarray(0, 9), Buffer.from([0x0f, 0, 0, 1])])],
    ['a repeated byte beyond its window', frame([{ byte: 0x41, times: 500 }], 5)],
  ]
  test.each(broken)('%s is refused', async (_, packed) => {
    expect(await verdict('zstd', packed)).toMatch(/^source_unreadable: .*damaged/)
    expect(await verdict('zstd', Buffer.concat([packed, plainFrame]))).toMatch(/^source_unreadable: .*damaged/)
  })

  test('a window of more than 128 MiB is refused by name', async () => {
    const wide = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0, 0])
    expect(await verdict('zstd', wide)).toMatch(/^source_unreadable: .*128 MiB.*--long/)
  })

  test('a checksum is compared', async () => {
    const lines = Array.from({ length: 30 }, (_, line) => `${line},0.5\n`).join('')
    expect(await verdict('zstd', compressed)).toBe(lines)
    for (const at of [compressed.length - 1, 20]) {
      const damaged = Buffer.from(compressed)
      damaged[at]! ^= 1
      expect(await verdict('zstd', damaged)).toMatch(/^source_unreadable/)
    }
  })

  test('a bomb of a few kilobytes ends at the limit', async () => {
    const bomb = frame(
      Array.from({ length: 2000 }, () => ({ byte: 0, times: 131_072 })),
      2000 * 131_072,
    )
    // A window of 128 KiB instead of the whole content, so that the decoder takes it.
    const packed = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3]), bomb.subarray(9)])
    expect(await verdict('zstd', packed, 3 * MIB)).toMatch(/^decoded_too_large: .*3145728 bytes/)
  })
})

describe('gzip', () => {
  const packed = gzipSync(csv)

  test('files end to end are one, and zeros behind them are padding', async () => {
    expect(packingOf(packed)).toBe('gzip')
    expect(await verdict('gzip', Buffer.concat([packed, gzipSync('5,6\n')]))).toBe(`${csv}5,6\n`)
    expect(await verdict('gzip', Buffer.concat([packed, Buffer.alloc(512)]))).toBe(csv)
  })

  test('what is cut or damaged, or has more behind it, is refused', async () => {
    expect(await verdict('gzip', packed.subarray(0, -3))).toMatch(/^source_unreadable: .*too early/)
    const damaged = Buffer.from(packed)
    damaged[packed.length - 6]! ^= 1
    expect(await verdict('gzip', damaged)).toMatch(/^source_unreadable: .*damaged/)
    expect(await verdict('gzip', Buffer.concat([packed, Buffer.from('more')]))).toMatch(/^source_unreadable: .*damaged/)
  })

  test('a bomb ends at the limit', async () => {
    expect(await verdict('gzip', gzipSync(Buffer.alloc(20 * MIB)))).toMatch(/^decoded_too_large/)
  })
})

describe('UTF-16', () => {
  test('is spelled in UTF-8 by its byte order mark', async () => {
    const text = 'host,°C\n🚀,1\n'
    const little = Buffer.from(`\ufeff${text}`, 'utf16le')
    const big = Buffer.from(little).swap16()
    expect([packingOf(little), packingOf(big)]).toEqual(['utf-16le', 'utf-16be'])
    expect(await verdict('utf-16le', little)).toBe(text)
    expect(await verdict('utf-16be', big)).toBe(text)
  })

  test('half a character is refused', async () => {
    const half = Buffer.from('\ufeffa,b\n\ud83d', 'utf16le')
    expect(await verdict('utf-16le', half)).toMatch(/^source_unreadable/)
    expect(await verdict('utf-16le', half.subarray(0, 5))).toMatch(/^source_unreadable/)
  })
})
