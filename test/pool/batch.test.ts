import { describe, expect, test } from 'vitest'
import type { Block } from '../../src/kernels/block.ts'
import { createSharedBatches } from '../../src/pool/batch.ts'
import type { ScoresInto } from '../../src/pool/rooms.ts'
import type { SmallBatchScoring } from '../../src/pool/small-batch.ts'
import type { BlockScores, ScoringModel } from '../../src/pool/types.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'

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

const threadsOnly: SmallBatchScoring = { count: () => undefined, takes: () => false, score: () => 0 }
const sum = (block: Block<ArrayBufferLike>, row: number) =>
  block.values[row]! + block.values[block.stride + row]! + block.values[2 * block.stride + row]!
const turn = () => new Promise((resolve) => setImmediate(resolve))
const small = (rows: number, seed: number) => blockOf(normalRows(rows, 3, seed))

describe('small calls share a task', () => {
  test('what comes within one turn leaves as one block, and everybody gets their own rows', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createSharedBatches(2, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(2, scoreBlock, threadsOnly)
    const block = small(5, 1)
    const answer = batch.score(model('a'), block, {})
    await turn()
    expect(blocks[0]!.block.rows).toBe(5)
    blocks[0]!.answer()
    expect([...(await answer).scores]).toEqual(Array.from({ length: 5 }, (_, row) => sum(block, row)))
  })

  test("scores stay the caller's when others are scored in the same memory", async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(2, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(4, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
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
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
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

  /** Scores up to 40 rows of the model `here` as the sum of their first features, and notes how many came together. */
  function startHere() {
    const scored: number[] = []
    const counted: number[] = []
    const few: SmallBatchScoring = {
      count: (_, rows) => counted.push(rows),
      takes: ({ key }, rows) => key === 'here' && rows <= 40,
      score(_, block, { scores }) {
        for (let row = 0; row < block.rows; row++) scores[row] = block.values[row]!
        scored.push(block.rows)
        return 1
      },
    }
    return { few, scored, counted }
  }
  const firstOf = (block: Block<ArrayBufferLike>) => [...block.values.subarray(0, block.rows)]

  test('a few rows of a model that can be scored here go to no thread, together with those that came in the same turn', async () => {
    const { blocks, scoreBlock } = startThread()
    const { few, scored, counted } = startHere()
    const batch = createSharedBatches(1, scoreBlock, few)
    const asked = [small(3, 1), small(29, 2)]
    const answers = await Promise.all(asked.map((block) => batch.score(model('here'), block, {})))
    expect(answers.map(({ scores }) => [...scores])).toEqual(asked.map(firstOf))
    expect([scored, counted, blocks.length]).toEqual([[32], [3, 29], 0])
    // One more together is worth a message.
    const more = [small(3, 1), small(30, 2)].map((block) => batch.score(model('here'), block, {}))
    await turn()
    expect(blocks.map(({ block }) => block.rows)).toEqual([33])
    blocks[0]!.answer()
    await Promise.all(more)
    expect(scored).toEqual([32])
  })

  test('who comes alone a second time is scored before the turn ends, in up to as many rows as can be', async () => {
    const { blocks, scoreBlock } = startThread()
    const { few, scored } = startHere()
    const batch = createSharedBatches(1, scoreBlock, few)
    await batch.score(model('here'), small(1, 1), {})
    await turn()
    const block = small(40, 2)
    const answer = batch.score(model('here'), block, {})
    expect([scored, batch.waiting]).toEqual([[1, 40], 0])
    expect([...(await answer).scores]).toEqual(firstOf(block))
    await turn()
    const large = batch.score(model('here'), small(41, 3), {})
    expect(batch.waiting).toBe(1)
    await turn()
    blocks[0]!.answer()
    await large
    expect(scored).toEqual([1, 40])
  })

  test('nobody is scored before the turn ends who has company: another call of the turn, of the last one, or one under way', async () => {
    const { blocks, scoreBlock } = startThread()
    const { few, scored } = startHere()
    const batch = createSharedBatches(1, scoreBlock, few)
    const alone = async () => {
      await batch.score(model('here'), small(1, 1), {})
      await turn()
      scored.length = 0
    }
    await alone()
    const pair = [1, 2].map((rows) => batch.score(model('here'), small(rows, rows), {}))
    expect(scored).toEqual([1])
    await Promise.all(pair)
    expect(scored).toEqual([1, 2])
    await turn()
    const next = batch.score(model('here'), small(4, 1), {})
    expect(scored).toEqual([1, 2])
    await next
    await alone()
    const onThread = batch.score(model('a'), small(5, 1), {})
    await turn()
    const beside = batch.score(model('here'), small(6, 1), {})
    expect(scored).toEqual([])
    // The thread being busy is no reason to wait any longer.
    await beside
    expect(scored).toEqual([6])
    blocks[0]!.answer()
    await onThread
  })

  test('a flush hands everything over before it returns', async () => {
    const { blocks, scoreBlock } = startThread()
    const batch = createSharedBatches(1, scoreBlock, threadsOnly)
    const answers = ['a', 'b', 'c'].map((key) => batch.score(model(key), small(1, 1), {}))
    batch.flush()
    expect(blocks.length).toBe(3)
    expect(batch.waiting).toBe(0)
    for (const sent of blocks) sent.answer()
    await Promise.all(answers)
  })
})
