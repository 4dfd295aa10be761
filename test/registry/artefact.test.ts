import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DeepWatchError, type ErrorCode } from '../../src/errors.ts'
import {
  type Artefact,
  type ArtefactHeader,
  type ArtefactSource,
  artefactFormat,
  artefactLimits,
  encodeArtefact,
  readArtefact,
} from '../../src/registry/artefact.ts'

const header: ArtefactHeader = {
  model: 'web',
  version: 3,
  serve: true,
  createdAt: '2026-01-02T03:04:05.678Z',
  document: { threshold: 0.61, features: ['cpu', 'größe'] },
}
const payload = Uint8Array.from({ length: 41 }, (_, index) => index * 7)

/** Bytes as a source that counts what is asked of it. */
function sourceOf(bytes: Uint8Array): ArtefactSource & { readBytes: number } {
  return {
    sizeBytes: bytes.length,
    readBytes: 0,
    async read(target, position) {
      this.readBytes += target.length
      if (position + target.length > bytes.length) throw new DeepWatchError('model_corrupt', 'The file ended early.')
      target.set(bytes.subarray(position, position + target.length))
    },
  }
}

async function encode(head: ArtefactHeader = header, body: Uint8Array = payload): Promise<Buffer> {
  return Buffer.concat((await encodeArtefact(head, body)).chunks)
}

async function read(bytes: Uint8Array, keepPayload = true): Promise<Artefact | ErrorCode> {
  try {
    return await readArtefact(sourceOf(bytes), { keepPayload })
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  }
}

/** Closes bytes with the checksum they should have. */
function seal(bytes: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, -32), createHash('sha256').update(bytes.subarray(0, -32)).digest()])
}

describe('an artefact', () => {
  test('comes back as it went, with the payload in shared memory of its own', async () => {
    const bytes = await encode()
    const artefact = (await read(bytes)) as Artefact
    expect(artefact.header).toEqual(header)
    expect(artefact.payload).toBeInstanceOf(SharedArrayBuffer)
    expect(new Uint8Array(artefact.payload!)).toEqual(payload)
    expect(artefact.digest).toBe(bytes.subarray(-32).toString('hex'))
    expect(artefact.digest).toBe((await encodeArtefact(header, payload)).digest)
    expect(await read(bytes, false)).toEqual({ ...artefact, payload: null })
  })

  test('of any size comes back, also around the size of the steps it is read in', async () => {
    for (const size of [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 3_000_000]) {
      const body = new Uint8Array(size).map((_, index) => index * 31 + (index >> 8))
      const artefact = (await read(await encode(header, body))) as Artefact
      expect(Buffer.compare(new Uint8Array(artefact.payload!), body)).toBe(0)
    }
  })

  test('is the same bytes for the same content', async () => {
    expect((await encode()).equals(await encode())).toBe(true)
  })

  // Written by the first release. Every later one reads it.
  const first =
    'iURXTQ0KGgoBAAAAigAAAHsibW9kZWwiOiJ3ZWIiLCJ2ZXJzaW9uIjozLCJzZXJ2ZSI6dHJ1ZSwiY3JlYXRlZEF0IjoiMjAyNi0wMS0wMlQwMz' +
    'owNDowNS42NzhaIiwiZG9jdW1lbnQiOnsidGhyZXNob2xkIjowLjYxLCJmZWF0dXJlcyI6WyJjcHUiLCJncsO2w59lIl19fSkAAAAAAAAAAAcO' +
    'FRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tng5+71/AMKERjS49O8pr7Yjonu/lnuYGvkd145t0J+TzbZprLZWwEI6Q=='
  test('of format 1, saved by the first release, is read', async () => {
    const artefact = (await read(Buffer.from(first, 'base64'))) as Artefact
    expect(artefact.header).toEqual(header)
    expect(new Uint8Array(artefact.payload!)).toEqual(payload)
  })
})

describe('damage is found', () => {
  test('at every single bit', async () => {
    const bytes = await encode()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(await read(damaged, bit % 2 === 0), `bit ${bit}`).toBe('model_corrupt')
    }
  })

  test('when any byte has any other value', async () => {
    const bytes = await encode({ ...header, document: {} }, payload.subarray(0, 3))
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 1, 0x0a, 0x20, 0x7f, 0x80, 0xff]) {
        if (bytes[at] === value) continue
        const damaged = Buffer.from(bytes)
        damaged[at] = value
        expect(await read(damaged, false), `byte ${at} = ${value}`).toBe('model_corrupt')
      }
    }
  })

  test('at every length cut short, and with anything behind', async () => {
    const bytes = await encode()
    for (let length = 0; length < bytes.length; length++) {
      expect(await read(bytes.subarray(0, length)), `${length} bytes`).toBe('model_corrupt')
    }
    for (const tail of [1, 32, 4096]) {
      expect(await read(Buffer.concat([bytes, Buffer.alloc(tail)]))).toBe('model_corrupt')
    }
  })

  test('where bytes are swapped, repeated, left out or blank', async () => {
    const bytes = await encode(
      header,
      new Uint8Array(2_000).map((_, index) => index % 251),
    )
    const range = fc.tuple(fc.nat(bytes.length), fc.nat(bytes.length)).filter(([a, b]) => a !== b)
    await fc.assert(
      fc.asyncProperty(range, fc.constantFrom('blank', 'drop', 'repeat', 'reverse'), async ([a, b], how) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const middle = Buffer.from(bytes.subarray(from, to))
        const changed = {
          blank: Buffer.alloc(to - from),
          drop: Buffer.alloc(0),
          repeat: Buffer.concat([middle, middle]),
          reverse: Buffer.from(middle).reverse(),
        }
        const damaged = Buffer.concat([bytes.subarray(0, from), changed[how], bytes.subarray(to)])
        fc.pre(!damaged.equals(bytes))
        expect(await read(damaged)).toBe('model_corrupt')
      }),
      { numRuns: 500 },
    )
  })

  test('in files that are something else', async () => {
    const others = ['', 'PAR1PAR1', '\x89PNG\r\n\x1a\n'.padEnd(200), '{"model":"web"}'.padEnd(100), '\0'.repeat(1_000)]
    for (const other of others) expect(await read(Buffer.from(other, 'latin1'))).toBe('model_corrupt')
    const text = Buffer.from((await encode()).toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    expect(await read(text)).toBe('model_corrupt')
  })

  for (const [name, change] of [
    ['a header said to be 4 GiB long', (bytes: Buffer) => bytes.writeUInt32LE(0xffffffff, 12)],
    [
      'a payload said to be 2^63 bytes long',
      (bytes: Buffer) => bytes.writeBigUInt64LE(1n << 63n, bytes.length - 32 - 41 - 8),
    ],
    ['a payload said to be empty', (bytes: Buffer) => bytes.writeBigUInt64LE(0n, bytes.length - 32 - 41 - 8)],
    ['format 0', (bytes: Buffer) => bytes.writeUInt32LE(0, 8)],
  ] as const) {
    test(`in ${name}, though the checksum is right, before memory is taken for it`, async () => {
      const bytes = await encode()
      change(bytes)
      const source = sourceOf(seal(bytes))
      await expect(readArtefact(source, { keepPayload: true })).rejects.toMatchObject({ code: 'model_corrupt' })
      expect(source.readBytes).toBeLessThan(1_000)
    })
  }

  test('in a header that is JSON but says something else, though the checksum is right', async () => {
    const { document: _, ...rest } = header
    const others = [
      rest,
      { ...header, model: 3 },
      { ...header, version: 1.5 },
      { ...header, serve: 1 },
      { ...header, createdAt: 0 },
      { ...header, document: null },
      [],
      null,
      7,
    ]
    for (const other of others) expect(await read(await encode(other as ArtefactHeader))).toBe('model_corrupt')
    const broken = await encode()
    broken[16] = 0x5b
    expect(await read(seal(broken))).toBe('model_corrupt')
  })
})

test('an undamaged artefact of a newer format is told from a damaged one', async () => {
  const newer = await encode()
  newer.writeUInt32LE(artefactFormat + 1, 8)
  expect(await read(newer)).toBe('model_corrupt')
  expect(await read(seal(newer))).toBe('model_version_unsupported')
  // Only magic, format and checksum stay where they are in later formats.
  const other = seal(
    Buffer.concat([newer.subarray(0, 12), Buffer.from('anything else'.repeat(50_000)), Buffer.alloc(32)]),
  )
  expect(await read(other)).toBe('model_version_unsupported')
})

test('a payload too large to be read back is refused when written', async () => {
  const tooLarge = { length: artefactLimits.payloadBytes + 1 } as Uint8Array
  await expect(encodeArtefact(header, tooLarge)).rejects.toMatchObject({ code: 'training_too_large' })
})
