/** Settings that were checked before are known again, and nothing passes that would not pass alone. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { mergeSettings } from '../../src/schemas/merge.ts'
import { scoreSettings } from '../../src/schemas/score.ts'
import { trainSettings } from '../../src/schemas/train.ts'

const score = (body: Record<string, unknown>, query = {}) => mergeSettings(scoreSettings, query, body)

test('the same settings with other rows give these rows, in the same order of keys', () => {
  const first = score({ include: ['a'], rows: [{ a: 1 }], model: 'web' })
  const second = score({ include: ['a'], rows: [{ a: 2 }, { a: 3 }], model: 'web' })
  expect(second).toEqual({ model: 'web', rows: [{ a: 2 }, { a: 3 }], include: ['a'] })
  expect(Object.keys(second)).toEqual(Object.keys(first))
  expect(score({ include: ['a'], model: 'web' })).toEqual({ model: 'web', include: ['a'] })
  expect(score({ rows: [] }, { model: 'web' })).toEqual({ model: 'web', rows: [] })
})

test.each([
  { model: 'web', rows: [{ a: 1 }, 7] },
  { model: 'web', rows: null },
  { model: 'web', rows: {} },
  { model: 'web', rows: [{ a: 1 }], extra: 1 },
  { model: 'web', rows: [{ a: 1 }], window: null },
])('settings that are wrong stay wrong after good ones: %j', (body) => {
  score({ model: 'web', rows: [{ a: 1 }] })
  for (let time = 0; time < 2; time++)
    expect(() => score(body)).toThrow(expect.objectContaining({ code: 'validation_failed' }))
})

test('what one kind of request takes, another does not know', () => {
  const body = { model: 'web', rows: [{ a: 1 }], return: 'all' }
  expect(score(body)).toEqual(body)
  expect(() => mergeSettings(trainSettings, {}, body)).toThrow(expect.objectContaining({ code: 'validation_failed' }))
})

test('settings are not taken for others that are written alike', () => {
  const schema = z.strictObject({ a: z.unknown(), b: z.unknown().optional(), rows: scoreSettings.shape.rows })
  const merge = (body: Record<string, unknown>) => mergeSettings(schema, {}, body)
  const alike = [
    { a: 5, b: 3 },
    { a: '1 b:3 ' },
    { a: '1 b=1 3' },
    { a: '5', b: '3' },
    { a: '5', b: 3 },
    { a: 5 },
    { a: '5' },
    { a: null },
    { a: 'null' },
    { a: ['5'] },
    { a: '', b: '' },
    { a: '', b: 'rows ' },
    { a: 'rows ', b: '' },
    { a: '', b: '', rows: [] },
    { rows: [], a: '', b: '' },
    { b: '', rows: [], a: '' },
  ]
  for (let time = 0; time < 2; time++)
    for (const body of alike) {
      expect(merge(body)).toEqual(body)
      expect(Object.keys(merge(body)).sort()).toEqual(Object.keys(body).sort())
    }
})
