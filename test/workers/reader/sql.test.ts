import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sqlFolder } from '../../../src/places.ts'
import { fill, quoteName, quoteText, statement } from '../../../workers/reader/database/statements.ts'
import { sql } from '../../reader/tools.ts'

const folder = fileURLToPath(sqlFolder)
const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))

describe('the statements', () => {
  test.each(files)('%s is one statement whose header names each parameter, each slot and what it returns', (file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    const header = text
      .split('\n')
      .filter((line) => line.startsWith('--'))
      .join('\n')
    const body = text
      .split('\n')
      .filter((line) => !line.startsWith('--'))
      .join('\n')
    expect(header).not.toBe('')
    expect(body).not.toContain(';')
    for (const [name] of body.matchAll(/\{\{\w+\}\}|\$\w+/g)) expect(header).toContain(name)
    if (!/^(set|copy)/.test(body)) expect(header).toMatch(/Returns/)
  })

  test('each is asked for by its name, and no other is', () => {
    const workers = join(folder, '..', 'workers')
    const names = readdirSync(workers, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const source = names.map((name) => readFileSync(join(workers, name), 'utf8')).join('\n')
    for (const file of files) expect(source).toContain(`'${file.slice(0, -4)}'`)
    for (const [, name] of source.matchAll(/\bstatement\(\s*'([\w-]+)'/g)) expect(files).toContain(`${name}.sql`)
  })

  test('a slot that is empty, unknown or inside what was filled in is never filled', () => {
    expect(() => fill('select {{a}}', {})).toThrow()
    expect(() => fill('select {{a}}', { a: '1', b: '2' })).toThrow()
    expect(fill('select {{a}}, {{b}}', { a: '{{b}}', b: '$&' })).toBe('select {{b}}, $&')
    expect(() => statement('absent')).toThrow()
  })
})

describe('quoting', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 }).map((each) => each.replaceAll(/\p{Surrogate}/gu, '?'))
  const hostile = fc.oneof(
    text,
    fc.constantFrom('"', '""', "'", "''", '\\', '";--', "';--", '\n', '{{columns}}', '$file', '/*', '--'),
  )

  test('any name without NUL comes back as it was, and nothing else runs', async () => {
    const samples = fc.sample(fc.array(hostile, { minLength: 1, maxLength: 4 }), { numRuns: 300, seed: 1 })
    for (const parts of samples) {
      const name = parts.join('').replaceAll('\0', '')
      if (name === '') continue
      const [[found] = []] = await sql(`select column_name from (describe select 1 as ${quoteName(name)})`)
      expect(found).toBe(name)
      expect(await sql(`select ${quoteText(name)}`)).toEqual([[name]])
    }
  })

  test('NUL is refused', () => {
    expect(() => quoteName('a\0b')).toThrow()
    expect(() => quoteText('a\0b')).toThrow()
  })
})
