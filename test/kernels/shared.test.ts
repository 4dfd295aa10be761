import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { copierInto, shareBytes, shareTogether } from '../../src/kernels/shared.ts'

const mib = 1024 * 1024

test('shared memory is zeroed, of the size asked for, and shared', () => {
  for (const bytes of [0, 1, 65_535, 65_536, 3 * mib]) {
    const shared = shareBytes(bytes)
    expect(shared).toBeInstanceOf(SharedArrayBuffer)
    expect(shared.byteLength).toBe(bytes)
    expect(new Uint8Array(shared).every((value) => value === 0)).toBe(true)
  }
})

test('shared memory that nobody holds any more is collected before much of it lies about', async () => {
  const before = process.memoryUsage().rss
  let most = 0
  for (let i = 0; i < 100; i++) {
    new Uint8Array(shareBytes(16 * mib)).fill(1)
    most = Math.max(most, process.memoryUsage().rss - before)
    await nextTurn()
  }
  expect(most).toBeLessThan(800 * mib)
})

test('what is shared together keeps its bytes and order, in one piece, each where any typed array can lie', () => {
  const arrays = [Uint8Array.of(1, 2, 3), new Uint8Array(), Uint8Array.of(4), new Uint8Array(16).fill(5)]
  const together = shareTogether(arrays)
  expect(together).toEqual(arrays)
  expect(new Set(together.map(({ buffer }) => buffer)).size).toBe(1)
  expect(together.map(({ byteOffset }) => byteOffset)).toEqual([0, 8, 8, 16])
  expect(shareTogether([])).toEqual([])
})

test('values of any memory are copied bit by bit to the beginning of another array, and nothing behind them is touched', () => {
  const most = 3_000
  const [quiet, negative] = [0x7ff8_0000_0000_0001n, 0x8000_0000_0000_0000n]
  for (const memory of [new SharedArrayBuffer(8 * most), new ArrayBuffer(8 * most)]) {
    const words = new BigUint64Array(memory).map((_, i) => BigInt(i) * 0x9e37_79b9_7f4a_7c15n)
    words.set([quiet, negative], 7)
    new BigUint64Array(memory).set(words)
    for (const count of [0, 1, 255, 256, 257, 2_048]) {
      const around = new BigUint64Array(count + 2).fill(5n)
      copierInto(new Float64Array(around.buffer, 8, count))(new Float64Array(memory), 7, count)
      expect(around).toEqual(new BigUint64Array([5n, ...words.subarray(7, 7 + count), 5n]))
    }
  }
})
