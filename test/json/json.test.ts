import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { parseJson } from '../../src/json/json.ts'

/** The value, or the code, facts and detail of the refusal. */
function read(text: string | Buffer): { value: unknown } | { code: string; pointer: unknown; key: unknown } {
  try {
    return { value: parseJson(Buffer.from(text as string)) }
  } catch (error) {
    if (!(error instanceof DeepWatchError)) throw error
    return { code: error.code, pointer: error.facts.pointer, key: error.facts.key }
  }
}

function refusal(text: string | Buffer): DeepWatchError {
  try {
    parseJson(Buffer.from(text as string))
  } catch (error) {
    if (error instanceof DeepWatchError) return error
    throw error
  }
  throw new Error('accepted')
}

/** The same value in a text long enough to be read the careful way. */
const padded = (text: string): string => `${' '.repeat(70_000)}${text}`

const malformed: Record<string, string | Buffer> = {
  'an empty body': '',
  'a byte order mark alone': '\ufeff',
  'white space alone': ' \n\t ',
  'two byte order marks': '\ufeff\ufeff1',
  NaN: '{"a": NaN}',
  Infinity: '[Infinity]',
  '-Infinity': '[-Infinity]',
  'a trailing comma': '[1,2,]',
  'a trailing comma in an object': '{"a":1,}',
  'a line comment': '[1] // one',
  'a block comment': '[/* one */1]',
  'single quotes': "{'a':1}",
  'a bare key': '{a:1}',
  'a control character in a string': '"a\u0000b"',
  'a leading zero': '[01]',
  'a plus sign': '[+1]',
  'two texts': '{} {}',
  'a text cut short': '{"rows":[{"a":1',
  'a string cut short': '"abc',
  'a string cut in an escape': '"abc\\',
  'an unknown escape': '"\\x"',
  'a no-break space': '\u00a0[1]',
  'bytes that are not UTF-8': Buffer.from([0x22, 0xff, 0x22]),
  'an overlong slash': Buffer.from([0x22, 0xc0, 0xaf, 0x22]),
  'a surrogate written in UTF-8': Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
  'a character cut short': Buffer.from([0x22, 0xe2, 0x82]),
  'UTF-16': Buffer.from('\ufeff{"a":1}', 'utf16le'),
  'a key __proto__': '{"__proto__":{"admin":true}}',
  'a deep key __proto__': '{"rows":[{"a":1},{"__proto__":1}]}',
  'an escaped key __proto__': '{"\\u005f_proto__":1}',
  'constructor.prototype': '{"constructor":{"prototype":{"x":1}}}',
  'an escaped constructor.prototype': '{"c\\u006fnstructor":{"prototype":1}}',
  '33 levels': `${'['.repeat(33)}${']'.repeat(33)}`,
  '33 levels of objects': `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`,
}

describe('parseJson refuses', () => {
  for (const [name, text] of Object.entries(malformed)) {
    test(`${name} as malformed`, () => {
      expect(refusal(text)).toMatchObject({ code: 'malformed_json', status: 400 })
    })
  }

  for (const open of ['[', '{"a":', '[{"a":', ' [\n']) {
    for (const levels of [100_000, 1_000_000]) {
      test(`${levels} levels of ${JSON.stringify(open)}, closed or not, without a crash or a stall`, () => {
        const close = open.replace(/[^[{]/g, '').replaceAll('[', ']').replaceAll('{', '}')
        const started = performance.now()
        expect(refusal(open.repeat(levels)).code).toBe('malformed_json')
        expect(refusal(`${open.repeat(levels)}1${[...close].reverse().join('').repeat(levels)}`).code).toBe(
          'malformed_json',
        )
        expect(performance.now() - started).toBeLessThan(1_000)
      })
    }
  }

  test('depth that brackets inside strings try to hide', () => {
    const text = `${'["]]]]]]]]\\"",'.repeat(10_000)}1${']'.repeat(10_000)}`
    expect(refusal(text).code).toBe('malformed_json')
  })

  const duplicates: [string, string, string, string][] = [
    ['the same key twice', '{"a":1,"a":2}', 'a', ''],
    ['the same key with equal values', '{"a":1,"b":2,"a":1}', 'a', ''],
    ['an empty key twice', '{"":1,"":2}', '', ''],
    ['a key twice in a row', '{"rows":[{"cpu":1},{"cpu":2,"mem":3,"cpu":4}]}', 'cpu', '/rows/1'],
    ['a key written with an escape', '{"rows":[[0,1,{"a":1,"\\u0061":2}]]}', 'a', '/rows/0/2'],
    ['a key with space before its colon', '{"a":1,"a" \n\t:2}', 'a', ''],
    ['an integer-like key', '{"10":1,"9":2,"10":3}', '10', ''],
    ['a dropped value that is full of colons', '{"a":"::::","a":1}', 'a', ''],
    ['a dropped value that hides a nested key', '{"a":{"b":1},"a":{"c:":2}}', 'a', ''],
    ['a key with a colon and a key twice', '{"x:y":1,"a":1,"a":2}', 'a', ''],
    ['a place with a slash and a tilde', '{"a/b~c":{"k":1,"k":2}}', 'k', '/a~1b~0c'],
    ['a key that names a method', '{"toString":1,"toString":2}', 'toString', ''],
  ]
  for (const [name, text, key, pointer] of duplicates) {
    test(`${name} as a duplicate, naming it`, () => {
      expect(read(text)).toEqual({ code: 'duplicate_key', key, pointer })
      expect(read(padded(text))).toEqual({ code: 'duplicate_key', key, pointer })
    })
  }

  const unfit: [string, string, string][] = [
    ['1e400', '{"rows":[{"a":1},{"a":1e400}]}', '/rows/1/a'],
    ['-1e400', '[0,-1e400]', '/1'],
    ['1e400 alone', '1e400', ''],
    ['400 digits', `{"a":${'9'.repeat(400)}}`, '/a'],
    ['a lone high surrogate', '{"host":["a","\\ud800"]}', '/host/1'],
    ['a lone low surrogate', '"\\uDC00x"', ''],
    ['surrogates the wrong way round', '["\\udc00\\ud800"]', '/0'],
    ['a lone surrogate in a key', '{"a":{"\\ud83d":1}}', '/a/\ufffd'],
  ]
  for (const [name, text, pointer] of unfit) {
    test(`${name}, naming its place`, () => {
      expect(read(text)).toEqual({ code: 'validation_failed', pointer, key: undefined })
      expect(read(padded(text))).toEqual({ code: 'validation_failed', pointer, key: undefined })
      expect(refusal(text).status).toBe(422)
    })
  }

  test('a key of a megabyte twice in a message of some hundred bytes', () => {
    const key = 'k'.repeat(1_000_000)
    const error = refusal(`{"${key}":1,"${key}":2}`)
    expect(error.code).toBe('duplicate_key')
    expect(error.message.length).toBeLessThan(300)
  })

  test('without repeating what the sender wrote in a syntax error', () => {
    expect(refusal('{"password": secret}').message).not.toMatch(/secret|Unexpected/)
  })
})

const accepted: Record<string, string> = {
  'a byte order mark': '\ufeff{"a":1}',
  '32 levels': `${'['.repeat(32)}${']'.repeat(32)}`,
  'colons in strings and keys': '{"a:b":"10:20:30","c":["::",":"],":":{":":":"}}',
  'a string that looks like a key': '["\\"a\\":", "\\\\", {"a":"\\"a\\":1"}]',
  'an escaped colon': '{"a":"\\u003a","b\\u003a":1}',
  'a surrogate pair': '"\\ud83d\\ude00 \u{1f600}"',
  'a backslash before ud800 that is only text': '"\\\\ud800"',
  'keys of Object.prototype': '{"constructor":1,"toString":2,"hasOwnProperty":3,"prototype":4}',
  'a constructor without a prototype': '{"constructor":{"name":"x"}}',
  '__proto__ as a value': '["__proto__","constructor"]',
  '-0, denormals and the largest double': '[-0,5e-324,1.7976931348623157e308,-1.7976931348623157e308]',
  'a number that underflows': '1e-400',
  'an integer beyond 2^53': '9007199254740993',
  null: 'null',
  'an empty object': '{}',
  'white space everywhere': ' \r\n\t{ "a" :\n[ 1 , 2 ]\t} ',
}

describe('parseJson accepts', () => {
  for (const [name, text] of Object.entries(accepted)) {
    test(`${name}, with the value JSON.parse gives`, () => {
      const expected = JSON.parse(text.replace(/^\ufeff/, ''))
      expect(isDeepStrictEqual(parseJson(Buffer.from(text)), expected)).toBe(true)
      if (!text.startsWith('\ufeff')) {
        expect(isDeepStrictEqual(parseJson(Buffer.from(padded(text))), expected)).toBe(true)
      }
    })
  }

  test('a text at any offset of a larger buffer', () => {
    for (let offset = 0; offset < 9; offset++) {
      const whole = Buffer.from(`${'"'.repeat(offset)}{"a:":1,"b":"::"}:::`)
      expect(parseJson(whole.subarray(offset, whole.length - 3))).toEqual({ 'a:': 1, b: '::' })
    }
  })

  test('more than 255 colons in one lane of the word counter', () => {
    const object = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index % 2 ? '::::' : 1]),
    )
    expect(parseJson(Buffer.from(JSON.stringify(object)))).toEqual(object)
    const text = `{${Array.from({ length: 4_000 }, (_, i) => `"${i}": ":::"`).join(',')},"7":1}`
    expect(read(text)).toMatchObject({ code: 'duplicate_key', key: '7' })
  })
})

/** What the strict reader must say of a text, from JSON.parse and a reviver-free reading of the raw text. */
function oracle(text: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return ['malformed_json']
  }
  const seen = inspect(text)
  const isMalformed = seen.depth > 32 || seen.poisoned
  // A second key may hide what is wrong with the first one's value: then either answer is right.
  if (seen.duplicate) return isMalformed ? ['duplicate_key', 'malformed_json'] : ['duplicate_key']
  if (isMalformed) return ['malformed_json']
  return [seen.unfit ? 'validation_failed' : JSON.stringify(value)]
}

/** A plain recursive reader of valid JSON by tokens, slow and obvious. */
function inspect(text: string): { depth: number; duplicate: boolean; poisoned: boolean; unfit: boolean } {
  const tokens = text.match(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/gsu) ?? []
  const found = { depth: 0, duplicate: false, poisoned: false, unfit: false }
  let at = 0
  const lone = (token: string): boolean => /\p{Surrogate}/u.test(JSON.parse(token) as string)
  const read = (depth: number): string[] | undefined => {
    const token = tokens[at++] as string
    if (token === '{' || token === '[') {
      found.depth = Math.max(found.depth, depth)
      const keys: string[] = []
      while (tokens[at] !== '}' && tokens[at] !== ']') {
        if (tokens[at] === ',') at++
        if (token === '{') {
          const written = tokens[at] as string
          const key = JSON.parse(written) as string
          at += 2
          if (keys.includes(key)) found.duplicate = true
          if (lone(written)) found.unfit = true
          keys.push(key)
          const inner = read(depth + 1)
          if (key === '__proto__' || (key === 'constructor' && inner?.includes('prototype'))) found.poisoned = true
        } else read(depth + 1)
      }
      at++
      return token === '{' ? keys : undefined
    }
    if (token.startsWith('"') ? lone(token) : /^-?\d/.test(token) && !Number.isFinite(Number(token))) found.unfit = true
    return undefined
  }
  read(1)
  return found
}

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'a:b', ':', '', 'constructor', 'prototype', '__proto__', '\\u0061', '\\ud800', '"', '\\'),
  fc.string({ maxLength: 4 }),
)
const written = key.map((text) => (/^\\u/.test(text) ? `"${text}"` : JSON.stringify(text)))
const space = fc.constantFrom('', '', '', ' ', '\n', '\t ')
const scalar = fc.oneof(
  fc.constantFrom('1', '-0', '1e400', '-1.5e-400', 'true', 'false', 'null', '":"', '"a\\":"', '123456789012345678901'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
)
const { text: jsonText } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 5 },
    scalar,
    fc
      .array(
        fc.tuple(space, tie('text'), space).map((parts) => parts.join('')),
        { maxLength: 4 },
      )
      .map((v) => `[${v}]`),
    fc
      .array(
        fc.tuple(space, written, space, tie('text')).map(([a, k, b, v]) => `${a}${k}${b}:${v}`),
        { maxLength: 4 },
      )
      .map((members) => `{${members}}`),
  ),
}))

describe('parseJson and JSON.parse agree', () => {
  const check = (text: string): void => {
    const ours = read(text)
    const expected = oracle(text)
    expect(expected).toContain('code' in ours ? ours.code : JSON.stringify(ours.value))
    const careful = read(padded(text))
    expect(isDeepStrictEqual(careful, ours)).toBe(true)
  }

  test('on generated texts with duplicates, hostile keys and overflow', () => {
    fc.assert(fc.property(jsonText, check), { numRuns: 1_000 })
  })

  test('on generated values, to the last bit', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
        const text = JSON.stringify(value)
        const expected = oracle(text)
        const ours = read(text)
        if ('value' in ours) expect(isDeepStrictEqual(ours.value, JSON.parse(text))).toBe(true)
        expect(expected).toContain('code' in ours ? ours.code : JSON.stringify(ours.value))
      }),
      { numRuns: 1_000 },
    )
  })

  test('on texts with one byte changed, left out or repeated', () => {
    const mutated = fc.tuple(jsonText, fc.nat(), fc.constantFrom('change', 'drop', 'repeat'), fc.nat(127))
    fc.assert(
      fc.property(mutated, ([text, where, how, byte]) => {
        const at = where % Math.max(1, text.length)
        const middle =
          how === 'change' ? String.fromCharCode(byte) : how === 'drop' ? '' : text.slice(at, at + 1).repeat(2)
        const changed = text.slice(0, at) + middle + text.slice(at + 1)
        fc.pre(!/\p{Surrogate}/u.test(changed))
        check(changed)
      }),
      { numRuns: 1_000 },
    )
  })
})
