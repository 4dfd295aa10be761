/** Memory for scores is used again, and never by two blocks at once. */
import { describe, expect, test } from 'vitest'
import { createScoreRooms } from '../../src/pool/rooms.ts'

describe('rooms for scores', () => {
  test('are used again for a block that is no longer, with marks of nothing', () => {
    const take = createScoreRooms(2)
    const first = take(100)
    first.flags.fill(3)
    const { buffer } = first.scores
    first.giveBack()
    const second = take(40)
    expect(second.scores.buffer).toBe(buffer)
    expect([second.scores.length, second.flags.length]).toEqual([40, 40])
    expect(second.flags.every((mark) => mark === 0)).toBe(true)
    // As long as the first was, not as the second.
    second.giveBack()
    expect(take(100).scores.buffer).toBe(buffer)
  })

  test('are others for blocks under way together, and for longer ones', () => {
    const take = createScoreRooms(2)
    const [one, two] = [take(10), take(10)]
    expect(one.scores.buffer).not.toBe(two.scores.buffer)
    one.giveBack()
    expect(take(11).scores.buffer).not.toBe(one.scores.buffer)
  })

  test('are kept in a bounded number, the latest of them', () => {
    const take = createScoreRooms(2)
    const rooms = [take(10), take(10), take(10)]
    for (const room of rooms) room.giveBack()
    const again = new Set([take(10), take(10), take(10)].map(({ scores }) => scores.buffer))
    const known = rooms.map(({ scores }) => again.has(scores.buffer))
    expect(known).toEqual([false, true, true])
  })
})
