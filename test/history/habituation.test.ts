/** Habituation of the score in the service: over a file, over live rows, over a restart, and where it cannot be. */
import { beforeAll, expect, test } from 'vitest'
import { startApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { type Body, marks, post, type Row, scoreFile, scoreRows, train, useService } from './tools.ts'

beforeAll(async () => {
  useService((await startApp()).url)
})

/** Two hosts that hum along; from `since` on host a has moved for good, and one row of it goes much further. */
function hosts(count: number, since = count): Row[] {
  const rows: Row[] = []
  const start = Date.parse('2026-03-02T00:00:00Z')
  for (let minute = 0; minute < count; minute++)
    for (const host of ['a', 'c']) {
      const hum = Math.sin(minute * 12.9898 + host.length) + Math.sin(minute * 78.233)
      const moved = host === 'a' && minute >= since ? (minute === count - 5 ? 4000 : 12) : 0
      rows.push({ ts: new Date(start + minute * 60_000).toISOString(), host, cpu: hum + moved, load: hum * hum })
    }
  return rows
}

const calm = hosts(300)
const shifted = hosts(160, 60)
const detector = { type: 'ensemble', members: ['isolation-forest', 'mahalanobis'], seed: 1 }
const settings = { rows: calm, entity: 'host', timeFeatures: [], detector, threshold: { value: 0.995 } }
const habituation = { window: 40 }
const flagged = (scores: readonly (number | string | undefined)[]) =>
  scores.flatMap((score, row) => (typeof score === 'number' && score > 0.995 ? [Math.floor(row / 2)] : []))

test('a state that lasts is flagged for half of the window, and what is much stranger after it, too', async () => {
  await train('plain', settings)
  const version = await train('used', { ...settings, habituation })
  expect(version).toMatchObject({ habituation })
  const plain = flagged(marks(await scoreFile('plain', shifted)))
  const used = flagged(marks(await scoreFile('used', shifted)))
  const after = (minutes: number[]) => minutes.filter((minute) => minute >= 60)
  expect(after(plain).length).toBe(100)
  expect(after(used)).toEqual([...Array.from({ length: 20 }, (_, i) => 60 + i), 155])
})

test('the scores are the same for a file, for rows one by one and over a restart, and in the evaluation', async () => {
  const home = await freshFolder()
  const first = await startApp({ DEEPWATCH_HOME: home })
  for (const at of [undefined, first.url]) await train('m', { ...settings, habituation }, at)
  const file = marks(await scoreFile('m', shifted))
  const single: typeof file = []
  for (const row of shifted.slice(0, 150)) single.push(...marks(await scoreRows('m', [row], first.url)))
  await first.stop()
  const second = await startApp({ DEEPWATCH_HOME: home })
  expect([...single, ...marks(await scoreRows('m', shifted.slice(150), second.url))]).toEqual(file)
  await second.stop()
})

test('the threshold and histogram of the training are those of the scores that are told', async () => {
  const rows = hosts(300, 200)
  const version = await train('own', { ...settings, rows, habituation })
  const scores = marks(await scoreFile('own', rows))
  expect(flagged(scores).length).toBe(version.threshold.flaggedRows)
})

test('auto chooses it; a contamination, or a window of nothing, goes before', async () => {
  const rows = hosts(300).map((row, index) => ({ ...row, mem: Math.cos(index) }))
  const asked = { rows, entity: 'host', detector: { type: 'auto', seed: 1 } }
  expect(await train('auto', asked)).toMatchObject({ habituation: { window: 1000 } })
  expect(await train('off', { ...asked, habituation: { window: 0 } })).not.toHaveProperty('habituation')
  expect(await train('share', { ...asked, threshold: { contamination: 0.01 } })).not.toHaveProperty('habituation')
  expect(await train('shorter', { ...asked, habituation })).toMatchObject({ habituation })
})

test.each<[string, Body]>([
  ['a window of one row', { habituation: { window: 1 } }],
  ['a duration', { habituation: { window: '1h' } }],
  ['a score that is not calibrated', { habituation, detector: { type: 'mahalanobis' } }],
  ['a threshold that depends on the scores', { habituation, threshold: { contamination: 0.01 } }],
])('is refused: %s', async (_, changes) => {
  const { status, body } = await post('/train', { model: 'refused', ...settings, ...changes })
  expect([status, body['code']]).toEqual([422, 'validation_failed'])
})
