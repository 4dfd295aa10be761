import { describe, expect, test } from 'vitest'
import type { Block } from '../src/kernels/block.ts'
import type { BlockScores, ScoringModel } from '../src/pool.ts'
import { createPoolBatch, type ScoresInto } from '../src/pool-batch.ts'
import { blockOf, normalRows } from './kernels/blocks.ts'

const model = (key: string): ScoringModel => ({
  key,
  detector: 'isolation-forest',
  payload: new SharedArrayBuffer(8),
  features: 3,
  fill: null,
})

/** A thread whose score of a row is the sum of its features, and which answers when it is told to. */
function startThread() {
  const blocks: { model: ScoringModel; block: Block; answer: () => void; fail: (error: Error) => void }[] = []
  const scoreBlock = (asked: ScoringModel, block: Block, { scores, flags }: ScoresInto) =>
    new Promise<number>((resolve, reject) => {
      expect([scores.length, flags.length]).toEqual([block.rows, block.rows])
      expect(flags.every((flag) => flag === 0)).toBe(true)
      for (let row = 0; row < block.rows; row++) scores[row] = sum(block, row)
      flags.fill(1)
      blocks.push({ model: asked, block: { ...block }, answer: () => resolve(1), fail: reject })
    })
  return { blocks, scoreBlock }
}

const sum = (block: Block<ArrayBufferLike>, row: number) =>
  block.values[row]! + block.values[block.stride + row]! + block.values[2 * block.stride + row]!
const turn = () => new Promise((resolve) => setImmediate(resolve))
const small = (rows: number, seed: number) => blockOf(normalRows(rows, 3, seed))

describe('small calls share a task', () => {
  test('what comes within one turn leaves as one block, and everybody gets their own rows', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(2, scoreBlock)
    const asked = [small(3, 1), small(1, 2), small(100, 3)]
    const answers = Promise.all(asked.map((block) => batch.score(model('a'), block, {})))
    expect(batch.waiting).toBe(3)
    await turn()
    expect(batch.waiting).toBe(0)
    expect(blocks.map(({ block }) => block.rows)).toEqual([104])
    blocks[0]!.answer()
    for (const [index, { scores, flags, seconds }] of (await answers).entries()) {
      const block = asked[index]!
      expect([...scores]).toEqual(Array.from({ length: block.rows }, (_, row) => sum(block, row)))
      expect(flags.length).toBe(block.rows)
      expect(seconds).toBeCloseTo(block.rows / 104, 12)
    }
  })

  test('a lone call leaves at the end of its turn', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(2, scoreBlock)
    const block = small(5, 1)
    const answer = batch.score(model('a'), block, {})
    await turn()
    expect(blocks[0]!.block.rows).toBe(5)
    blocks[0]!.answer()
    expect([...(await answer).scores]).toEqual(Array.from({ length: 5 }, (_, row) => sum(block, row)))
  })

  test("scores stay the caller's when others are scored in the same memory", async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const asked = [40, 3, 700, 1].map((rows, seed) => small(Math.min(rows, 512), seed))
    const answers: BlockScores[] = []
    for (const [index, block] of asked.entries()) {
      const answer = batch.score(model('a'), block, {})
      await turn()
      await turn()
      blocks[index]!.answer()
      answers.push(await answer)
    }
    for (const [index, { scores }] of answers.entries())
      expect([...scores]).toEqual(Array.from({ length: scores.length }, (_, row) => sum(asked[index]!, row)))
    // Four calls, and memory was made as often as it had to grow.
    expect(new Set(blocks.map(({ block }) => block.values.buffer)).size).toBe(2)
  })

  test('rows in memory that threads cannot read are scored too', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const shared = small(50, 1)
    const own = { ...shared, values: Float64Array.from(shared.values) }
    const answer = batch.score(model('a'), own, {})
    await turn()
    expect(blocks[0]!.block.values.buffer).toBeInstanceOf(SharedArrayBuffer)
    blocks[0]!.answer()
    expect([...(await answer).scores]).toEqual(Array.from({ length: 50 }, (_, row) => sum(own, row)))
  })

  test('while every thread is busy calls gather, up to the rows of a batch', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const first = batch.score(model('a'), small(1, 1), {})
    await turn()
    const later = Promise.all(Array.from({ length: 20 }, (_, seed) => batch.score(model('a'), small(500, seed), {})))
    await turn()
    await turn()
    expect(blocks.length).toBe(1)
    expect(batch.waiting).toBe(20)
    for (let sent = 0; sent < 4; sent++) {
      blocks[sent]!.answer()
      await turn()
      await turn()
    }
    expect(blocks.map(({ block }) => block.rows)).toEqual([1, 4000, 4000, 2000])
    await Promise.all([first, later])
  })

  test('while a block is under way a few rows wait for it, many go to another thread', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(2, scoreBlock)
    const answers = [batch.score(model('a'), small(1, 1), {})]
    await turn()
    answers.push(batch.score(model('a'), small(200, 2), {}))
    await turn()
    expect(blocks.map(({ block }) => block.rows)).toEqual([1])
    answers.push(batch.score(model('a'), small(100, 3), {}))
    await turn()
    expect(blocks.map(({ block }) => block.rows)).toEqual([1, 300])
    answers.push(batch.score(model('a'), small(2, 4), {}))
    blocks[0]!.answer()
    await answers[0]
    await turn()
    expect(batch.waiting).toBe(1)
    blocks[1]!.answer()
    await answers[1]
    await turn()
    await turn()
    expect(blocks.map(({ block }) => block.rows)).toEqual([1, 300, 2])
    blocks[2]!.answer()
    await Promise.all(answers)
  })

  test('models do not mix', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(4, scoreBlock)
    const answers = ['a', 'b', 'a'].map((key) => batch.score(model(key), small(2, 1), {}))
    await turn()
    expect(blocks.map((sent) => [sent.model.key, sent.block.rows])).toEqual([
      ['a', 4],
      ['b', 2],
    ])
    for (const sent of blocks) sent.answer()
    await Promise.all(answers)
  })

  test('whoever gave up is left out', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const leaving = new AbortController()
    const gone = batch.score(model('a'), small(7, 1), { signal: leaving.signal })
    const stays = batch.score(model('a'), small(2, 2), {})
    const reason = new Error('gone')
    leaving.abort(reason)
    await expect(gone).rejects.toBe(reason)
    expect(blocks.map(({ block }) => block.rows)).toEqual([2])
    blocks[0]!.answer()
    await stays
  })

  test('a failure is told only to the one whose rows fail alone too', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const answers = [1, 2].map((rows) => batch.score(model('a'), small(rows, rows), {}))
    const settled = Promise.allSettled(answers)
    await turn()
    blocks[0]!.fail(new Error('together'))
    await turn()
    blocks[1]!.answer()
    await turn()
    blocks[2]!.fail(new Error('alone'))
    const [first, second] = await settled
    expect(first?.status).toBe('fulfilled')
    expect(second).toMatchObject({ status: 'rejected', reason: { message: 'alone' } })
  })

  test('a flush hands everything over before it returns', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createPoolBatch(1, scoreBlock)
    const answers = ['a', 'b', 'c'].map((key) => batch.score(model(key), small(1, 1), {}))
    batch.flush()
    expect(blocks.length).toBe(3)
    expect(batch.waiting).toBe(0)
    for (const sent of blocks) sent.answer()
    await Promise.all(answers)
  })
})
