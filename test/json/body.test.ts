/** A body is read as `parseJson` reads it, whether its rows become a small batch or not. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBody } from '../../src/json/body.ts'
import { parseJson } from '../../src/json/json.ts'
import { NumberReader } from '../../src/json/number.ts'
import { SmallBatch } from '../../src/json/small-batch.ts'

/** What a reading of a text comes to: a value, with a small batch as the rows they stand for, or an error. */
function outcome(read: (bytes: Buffer) => unknown, text: string): unknown {
  try {
    const value = read(Buffer.from(text)) as { rows?: unknown }
    return value?.rows instanceof SmallBatch ? { ...value, rows: value.rows.toRows() } : value
  } catch (error) {
    const { code, message, facts } = error as { code: string; message: string; facts: unknown }
    return { code, message, facts }
  }
}

const isBatch = (text: string) => (parseBody(Buffer.from(text)) as { rows: unknown }).rows instanceof SmallBatch

const model = 'web'
const around = (rows: string, before = `"model":"${model}"`, after = '') => `{${before},"rows":${rows}${after}}`

describe('numbers', () => {
  const reader = new NumberReader()
  const read = (text: string) => reader.read(Buffer.from(`${text},`), 0)

  /** Digits with a point and an exponent, near and beyond what can be told without `Number`. */
  const written = fc
    .tuple(
      fc.boolean(),
      fc.stringMatching(/^(0|[1-9][0-9]{0,22})$/),
      fc.option(fc.stringMatching(/^[0-9]{1,25}$/)),
      fc.option(fc.stringMatching(/^[eE][+-]?[0-9]{1,3}$/)),
    )
    .map(
      ([minus, whole, fraction, power]) => `${minus ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}${power ?? ''}`,
    )
  /** The middle between two neighbouring doubles, where the last digit decides. */
  const middle = fc
    .tuple(
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 54n - 1n }),
      fc.bigInt({ min: 1n, max: 8n }),
      fc.nat(12),
      fc.constantFrom('', '1', '01'),
    )
    .map(([mantissa, shift, behind, more]) => {
      const digits = String(mantissa * 2n ** shift + 2n ** (shift - 1n))
      return `${digits.slice(0, digits.length - behind - 1)}.${digits.slice(digits.length - behind - 1)}${more}`
    })

  test.each([
    ['as people write them', fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }).map(String)],
    [
      'of every size',
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => String(Object.is(value, -0) ? '-0' : value)),
    ],
    ['of any digits', written],
    ['between two doubles', middle],
  ])('%s are those of JSON.parse, to the bit', (_, texts) => {
    fc.assert(
      fc.property(texts, (text) => {
        const expected = JSON.parse(text) as number
        expect(read(text)).toBe(Number.isFinite(expected) ? expected : Number.NaN)
        expect(reader.end).toBe(text.length)
      }),
      { numRuns: 20_000 },
    )
  })

  test.each(['', '-', '+1', '.5', '1.', '01', '-01', '1e', '1e+', '1e400', '-1e400', 'NaN', 'x', '1.e5'])(
    '%j is none',
    (text) => {
      expect(read(text)).toBeNaN()
    },
  )

  test('of as many digits as a body can hold, deep in a stack', () => {
    const text = `0.${'1'.repeat(65_000)}`
    const deep = (calls: number): number => (calls === 0 ? read(text) : deep(calls - 1))
    expect(deep(3000)).toBe(Number(text))
  })

  test('a number ends where the next byte is none of its own', () => {
    for (const text of ['1-2', '1.5.2', '12e3e4', '0x10', '1_000']) {
      read(text)
      expect(reader.end).toBeLessThan(text.length)
    }
  })
})

describe('plain rows', () => {
  test('are a small batch, with numbers, booleans, texts and nulls', () => {
    const rows = [
      { a: 1.5, at: '2026-11-22T14:00:00Z', b: null, up: true },
      { a: null, at: null, b: -0, up: false },
    ]
    for (const text of [
      around(JSON.stringify(rows)),
      around(JSON.stringify(rows, null, '\t ')),
      around(JSON.stringify(rows), `"model":"${model}"`, ',"return":"all"'),
    ]) {
      expect(isBatch(text)).toBe(true)
      expect(outcome(parseBody, text)).toEqual(outcome(parseJson, text))
      expect(JSON.stringify(parseBody(Buffer.from(text)))).toBe(JSON.stringify(parseJson(Buffer.from(text))))
    }
  })

  test('up to 512 are a small batch', () => {
    const rows = Array.from({ length: 512 }, (_, row) => ({ row, third: row / 3, host: `h${row}` }))
    const text = around(JSON.stringify(rows), '"model":"web"')
    expect(isBatch(text)).toBe(true)
    expect(outcome(parseBody, text)).toEqual(JSON.parse(text))
    expect(isBatch(around(JSON.stringify([...rows, rows[0]])))).toBe(false)
  })

  test.each([
    ['another order of keys', '[{"a":1,"b":2},{"b":2,"a":1}]'],
    ['a key less', '[{"a":1,"b":2},{"a":1}]'],
    ['a key more', '[{"a":1},{"a":1,"b":2}]'],
    ['a key that goes on', '[{"a":1},{"ab":1}]'],
    ['no rows', '[]'],
    ['no keys', '[{}]'],
    ['no list', '{"a":1}'],
    ['booleans', '[{"a":true}]'],
    ['texts among numbers', '[{"a":1},{"a":"x"}]'],
    ['numbers among texts', '[{"a":"x"},{"a":1}]'],
    ['lists', '[{"a":[1]}]'],
    ['objects', '[{"a":{"b":1}}]'],
    ['an escape', '[{"a":"\\u0041"}]'],
    ['an escape in a key', '[{"\\u0061":1}]'],
    ['other letters', '[{"größe":1}]'],
    ['a prototype', '[{"__proto__":1}]'],
    ['a constructor', '[{"constructor":1,"toString":2}]'],
    ['a key twice', '[{"a":1,"a":2}]'],
    ['a key twice, later', '[{"a":1},{"a":1,"a":2}]'],
    ['a number too large', '[{"a":1e999}]'],
    ['a comma too many', '[{"a":1},]'],
    ['a comma too many in a row', '[{"a":1,}]'],
    ['a comma too few', '[{"a":1}{"a":1}]'],
    ['an end too early', '[{"a":1}'],
    ['a word cut short', '[{"a":nul}]'],
    ['a control character', '[{"a":"\u0001"}]'],
    ['a space that is none', '[{"a":\u00a01}]'],
    ['a form feed', '[{"a":\f1}]'],
  ])('%s: the same value, or the same problem', (_, rows) => {
    const text = around(rows)
    expect(outcome(parseBody, text)).toEqual(outcome(parseJson, text))
  })

  test.each([
    ['in an object', `{"model":"${model}","source":{"rows":[{"a":1}]}}`],
    ['in an object, and null outside', `{"source":{"rows":[{"a":1}]},"model":"${model}","rows":null}`],
    ['in a list', `[{"model":"${model}","rows":[{"a":1}]}]`],
    ['behind a list', `{"model":"${model}","include":["a"],"rows":[{"a":1}]}`],
    ['twice', `{"model":"${model}","rows":[{"a":1}],"rows":[{"a":2}]}`],
    ['twice, null first', `{"rows":null,"model":"${model}","rows":[{"a":2}]}`],
    ['the end of an escaped key', `{"model":"${model}","x\\"rows":[{"a":1}]}`],
    ['a text', `{"model":"${model}","x":"rows","rows":[{"a":1}]}`],
    ['a text with a bracket', `{"model":"${model}{","rows":[{"a":1}]}`],
    ['behind a mark', `\ufeff{"model":"${model}","rows":[{"a":1}]}`],
    ['before what is no JSON', `{"model":"${model}","rows":[{"a":1}],x}`],
    ['before more', `{"model":"${model}","rows":[{"a":1}]}}`],
    ['and nothing behind', `{"model":"${model}","rows":[{"a":1}]`],
    ['without a colon', `{"model":"${model}","rows"[{"a":1}]}`],
    ['behind what is no JSON', `{"model":"${model}" "rows":[{"a":1}]}`],
    ['beside a lone surrogate', `{"rows":[{"a":1}],"model":"${model}\\ud800"}`],
    ['beside a prototype', `{"rows":[{"a":1}],"model":"${model}","__proto__":1}`],
  ])('rows %s: the same value, or the same problem', (_, text) => {
    expect(outcome(parseBody, text)).toEqual(outcome(parseJson, text))
  })

  test('whatever is changed in a text', () => {
    const cell = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
    const rows = fc.array(fc.record({ a: cell, bc: cell, at: fc.constantFrom('2026-11-22T14:00:00Z', 'x') }), {
      minLength: 1,
      maxLength: 6,
    })
    const change = fc.tuple(
      fc.nat(),
      fc.constantFrom('', '"', ',', ':', '{', '}', '[', ']', ' ', '0', '-', '.', 'e', 'n', '\\', '\n', 'é'),
      fc.nat(2),
    )
    let batches = 0
    fc.assert(
      fc.property(
        rows,
        fc.array(change, { maxLength: 3 }),
        fc.constantFrom('', ',"return":"all"'),
        (given, changes, after) => {
          let text = around(JSON.stringify(given), '"model":"web"', after)
          for (const [place, put, cut] of changes) {
            const at = place % text.length
            text = text.slice(0, at) + put + text.slice(at + cut)
          }
          const expected = outcome(parseJson, text)
          expect(outcome(parseBody, text)).toEqual(expected)
          if (!(expected as { code?: string })?.code && isBatch(text)) batches++
        },
      ),
      { numRuns: 6_000 },
    )
    expect(batches).toBeGreaterThan(600)
  })
})
