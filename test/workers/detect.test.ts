/** What a thread does when others wait for it. */
import { expect, test } from 'vitest'
import { detector } from '../../src/detectors/isolation-forest.ts'
import { fit as fitPieces, score } from '../../workers/detect.ts'
import { scoreAll, train } from '../detectors/train.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'

const block = blockOf(normalRows(1000, 3))
const trained = train(detector, block, 1, { trees: 5 })
const payload = new SharedArrayBuffer(trained.payload.length)
new Uint8Array(payload).set(trained.payload)
const shared = (bytes: number) => new SharedArrayBuffer(bytes)

/** A look every 100 rows. */
const pausesOf = (milliseconds: number, isWanted: boolean) => {
  const wanted = new Int32Array(shared(4))
  wanted[0] = isWanted ? 1 : 0
  return { step: 100, milliseconds, wanted }
}
const hour = 3_600_000

test.each([
  ['at the end when there is nothing to look at', null, 950],
  ['at the end when nobody waits', pausesOf(hour, false), 950],
  ['at the first look when somebody waits', pausesOf(hour, true), 140],
  ['at the first look when its time is over', pausesOf(0, false), 140],
])('a thread that scores stops %s', (_, pauses, expected) => {
  const scores = new Float64Array(shared(8 * 1000)).fill(-1)
  const flags = new Uint8Array(shared(1000))
  const ends = { from: 40, to: 950 }
  const task = { key: 'a', detector: detector.id, payload, fill: null, guards: null, block, scores, flags }
  expect(score({ ...task, ...ends, pauses })).toMatchObject({ ok: true, to: expected })
  const whole = scoreAll(detector, trained.payload, block).scores
  expect([...scores]).toEqual(Array.from(whole, (one, row) => (row >= 40 && row < expected ? one : -1)))
})

test('a thread that fits looks up after every piece, and goes on with the next', () => {
  const request = { ...trained, detector: detector.id, seed: 1 }
  const pieces: Uint8Array[] = []
  for (let from = 0; from < 5; ) {
    const some = fitPieces({ ...request, from, to: 5, pauses: { ...pausesOf(hour, from !== 2), step: 1 } })
    if (!some.ok) throw new Error(some.detail)
    expect(some).toMatchObject({ to: from === 2 ? 5 : from + 1, payload: null })
    pieces.push(...some.pieces)
    from = some.to
  }
  // All at a stretch, they are put together by the same thread.
  const { samples, effective } = trained
  const payload = detector.join({ pieces, effective, seed: 1, features: 3, samples })
  expect(fitPieces({ ...request, from: 0, to: 5, pauses: null })).toEqual({ ok: true, pieces: [], payload, to: 5 })
})
