import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ReaderExchange } from '../../src/reader/exchange.ts'
import { exchangePlaces, FRAME, HEADER_BYTES } from '../../src/reader/frames.ts'
import { createSources } from '../../src/sources/sources.ts'
import { createExchange } from '../../workers/reader/read/blocks.ts'
import { freshFolder } from '../endings.ts'
import { startBench, writeParquet } from './tools.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('the exchange', () => {
  test('hands blocks over in their order, place by place, and waits for a place that is free', async () => {
    const outer = new ReaderExchange(await freshFolder())
    let waits = 0
    const inner = createExchange(outer.fd!, () => waits++)
    for (let block = 0; block < 3 * exchangePlaces; block++) {
      expect(inner.put([bytes(block, 1), bytes(block, 2, 3)], 8)).toBe(true)
      expect(waits).toBe(Math.max(0, block + 1 - exchangePlaces))
      const [head, rest] = [new Uint8Array(new SharedArrayBuffer(4)), new Uint8Array(1)]
      await outer.take([head, rest], 8)
      expect([...head, ...rest]).toEqual([block, 1, block, 2, 3])
    }
    outer.end()
  })

  test('has no name that could be left behind', async () => {
    const outer = new ReaderExchange(await freshFolder())
    expect(readlinkSync(`/proc/self/fd/${outer.fd}`)).toMatch(/ \(deleted\)$/)
    outer.end()
  })

  test('is closed when the last block was taken, not under it', async () => {
    const outer = new ReaderExchange(await freshFolder())
    writeSync(outer.fd!, bytes(1, 2, 3))
    const target = new Uint8Array(3)
    const taking = outer.take([target], 8)
    outer.end()
    outer.end()
    await taking
    expect([...target]).toEqual([1, 2, 3])
    await expect(outer.take([target], 8)).rejects.toThrow()
  })

  test('that holds less than was said is an error', async () => {
    const outer = new ReaderExchange(await freshFolder())
    writeSync(outer.fd!, bytes(1, 2, 3))
    await expect(outer.take([new Uint8Array(4)], 8)).rejects.toThrow('3 of 4')
    outer.end()
  })

  test('without room is given up for good', () => {
    const full = openSync('/dev/full', 'w')
    const inner = createExchange(full, () => expect.fail('nothing was put there'))
    expect(inner.put([bytes(1)], 8)).toBe(false)
    expect(inner.put([bytes(1)], 8)).toBe(false)
    closeSync(full)
  })
})

/** The kinds and payloads of the frames of a reading process up to its first `count` results. */
async function framesUntil(child: ChildProcess, count: number): Promise<{ kind: number; payload: Buffer }[]> {
  const frames: { kind: number; payload: Buffer }[] = []
  let rest = Buffer.alloc(0)
  for await (const chunk of child.stdio[3] as Readable) {
    rest = Buffer.concat([rest, chunk as Buffer])
    while (rest.length >= HEADER_BYTES && rest.length >= HEADER_BYTES + rest.readUInt32LE(0)) {
      const length = rest.readUInt32LE(0)
      frames.push({ kind: rest[4]!, payload: rest.subarray(HEADER_BYTES, HEADER_BYTES + length) })
      rest = rest.subarray(HEADER_BYTES + length)
    }
    if (frames.filter(({ kind }) => kind === FRAME.result || kind === FRAME.error).length === count) break
  }
  return frames
}

test('a process whose exchange is full sends its blocks through the pipe', async () => {
  const root = join(await freshFolder(), 'root')
  mkdirSync(root)
  const path = join(root, 'long.parquet')
  await writeParquet(path, 'select i as n from range(200000) t(i)')
  const full = openSync('/dev/full', 'w')
  const program = fileURLToPath(new URL('../../workers/reader.js', import.meta.url))
  const start = JSON.stringify({ threads: 1, memoryBytes: 256 * 2 ** 20, exchange: true })
  const child = spawn(process.execPath, ['--expose-gc', program, start], {
    stdio: ['pipe', 'ignore', 'inherit', 'pipe', full],
  })
  try {
    const limits = { maxFiles: 1, uploadBytes: 1, spoolBytes: 1, uploadStallMs: 1, uploadMinRate: 0, uploadGraceMs: 1 }
    const sources = createSources({ home: await freshFolder(), roots: [root], ...limits })
    const { files } = await sources.fromPaths('long.parquet')
    const stdin = child.stdin as Writable
    const send = (command: object) => stdin.write(`${JSON.stringify(command)}\n`)
    const most = { maxColumns: 10, maxCells: 1e9, maxDecodedTextBytes: 1e6 }
    send({ call: 'open', format: 'parquet', files, outputPath: null, types: null, expect: [], reading: {}, ...most })
    send({ call: 'features', query: { features: [{ name: 'n', kind: 'number' }] } })
    const frames = await framesUntil(child, 2)
    expect(frames.some(({ kind }) => kind === FRAME.placed)).toBe(false)
    const blocks = frames.filter(({ kind }) => kind === FRAME.block)
    const numbers = blocks.flatMap(({ payload }) => {
      const rows = payload.readUInt32LE(0)
      return Array.from({ length: rows }, (_, row) => payload.readDoubleLE(8 + 8 * row))
    })
    expect(numbers.length).toBe(200_000)
    expect(numbers.every((number, row) => number === row)).toBe(true)
  } finally {
    child.kill('SIGKILL')
    closeSync(full)
  }
})

test('closed sessions leave no file open', async () => {
  const bench = await startBench({ once: true })
  await writeParquet(join(bench.root, 'long.parquet'), 'select i as n from range(200000) t(i)')
  const open = () => readdirSync('/proc/self/fd').length
  const read = async () => {
    const session = await bench.open('long.parquet')
    for await (const { release } of session.features({ features: [{ name: 'n', kind: 'number' }] })) release()
    await session.close()
  }
  await read()
  const before = open()
  for (let round = 0; round < 3; round++) await read()
  // Closing a file is told by nobody: the next one to be opened takes its number.
  expect(open()).toBeLessThanOrEqual(before + 2)
})
