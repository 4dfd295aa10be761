/** The documents name only what exists, and everything that users rely on. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { loadConfig, settings } from '../src/config.ts'
import { detectors } from '../src/detectors/index.ts'
import { errorTable } from '../src/errors.ts'
import { derives } from '../src/kernels/history/index.ts'
import { createMetrics } from '../src/observe/index.ts'
import { evaluateSettings, reportSettings, scoreSettings, trainSettings } from '../src/schemas/index.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const below = (folder: string) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'bench/README.md'],
  ...below('docs').sort(),
]

/** The text without its fenced code. */
const prose = (text: string) => text.replace(/^```[\s\S]*?^```$/gm, '')
const fenced = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, code]) => code!)
const words = (text: string) => text.split(/\s+/).filter((word) => word !== '').length

/** The anchors that GitHub gives the headings of a document. */
function anchors(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('documents', () => {
  test('there are some', () => {
    expect(documents.length).toBeGreaterThan(20)
  })

  test.each(documents)('%s names only files that exist', (name) => {
    const named = [
      ...read(name).matchAll(/`((?:src|routes|workers|sql|docker|docs|test|bench|examples|\.ci)\/[\w./-]*)`/g),
    ]
      .map(([, path]) => path!)
      .filter((path) => !['', '.ts'].some((ending) => existsSync(new URL(path.replace(/\/$/, '') + ending, root))))
    expect(named).toEqual([])
  })

  test.each(documents)('%s links to what is there', (name) => {
    const base = new URL(name, root)
    const broken = [...prose(read(name)).matchAll(/\]\(((?!https?:)[^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)]
      .map(([, link, picture]) => (link ?? picture)!)
      .filter((link) => {
        const target = new URL(link, base)
        const anchor = target.hash.slice(1)
        target.hash = ''
        return !existsSync(target) || (anchor !== '' && !anchors(readFileSync(target, 'utf8')).includes(anchor))
      })
    expect(broken).toEqual([])
  })

  test.each(documents)('%s runs only scripts and programs that exist', (name) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const text = read(name)
    for (const [, script] of text.matchAll(/npm run (?:-s )?([\w:]+)/g)) expect(Object.keys(scripts)).toContain(script)
    for (const [, program] of text.matchAll(/node dist\/([\w./-]+)\.js/g))
      expect(existsSync(new URL(`${program}.ts`, root)), program).toBe(true)
  })

  test.each(documents)('%s shows JSON that can be read', (name) => {
    for (const code of fenced(read(name), 'json')) {
      const lines = code.trim().split('\n')
      const texts = lines.every((line) => /^\{.*\}$/.test(line)) ? lines : [code]
      for (const text of texts) expect(() => JSON.parse(text), text).not.toThrow()
    }
  })

  test('the requests they show have settings that the routes take', () => {
    const schemas: Record<string, z.ZodObject> = {
      train: trainSettings,
      score: scoreSettings,
      evaluate: evaluateSettings,
      report: reportSettings,
    }
    let seen = 0
    for (const text of documents.map(read)) {
      const code = fenced(text, 'sh').join('\n').replaceAll('\\\n', ' ')
      for (const [, route, body] of code.matchAll(/8080\/(\w+)'? [^\n]*?-(?:d|F) '(?:config=)?(\{[\s\S]*?\})'/g)) {
        const schema = schemas[route!]
        const given: unknown = JSON.parse(body!)
        if (schema) expect(schema.safeParse(given).error, body).toBeUndefined()
        seen++
      }
    }
    expect(seen).toBeGreaterThan(8)
  })

  test('README and ARCHITECTURE are short', () => {
    expect(words(read('README.md'))).toBeLessThanOrEqual(1000)
    expect(words(read('ARCHITECTURE.md'))).toBeLessThanOrEqual(1500)
  })
})

describe('docs/operations.md', () => {
  const text = read('docs/operations.md')

  test('lists every setting with its default and its description', () => {
    const rows = new Map(
      [...text.matchAll(/^\| `([A-Z_]+)` \| (?:`?([^|`]*?)`?) \| (.*) \|$/gm)].map(([, key, value, about]) => [
        key!,
        { value: value!, about: about! },
      ]),
    )
    expect([...rows.keys()]).toEqual(Object.keys(settings))
    for (const [key, schema] of Object.entries(settings)) {
      const { value, about } = rows.get(key)!
      expect(about).toBe(schema.description)
      if (value !== '' && value !== 'all')
        expect(loadConfig({ [key]: value })).toHaveProperty([key], loadConfig({})[key as keyof typeof settings])
    }
  })

  test('lists every metric of our own with its type', async () => {
    const metrics = createMetrics({
      version: '0',
      models: 1,
      observed: { models: () => 0, poolQueue: () => 0, poolUtilization: () => 0 },
    })
    const { body } = await metrics.print('text')
    const printed = [...body.matchAll(/^# TYPE (deepwatch_\w+) (\w+)/gm)].map(([, name, type]) => `${name} ${type}`)
    expect(printed.length).toBeGreaterThan(12)
    const told = [...text.matchAll(/^\| `(deepwatch_\w+)(?:\{[^`]*)?` \| (\w+) \|/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    )
    expect(told.sort()).toEqual(printed.sort())
  })
})

describe('docs/detectors.md', () => {
  const text = read('docs/detectors.md')

  test.each([...detectors.keys()])('tells of %s and of every setting it has', (id) => {
    expect(anchors(text)).toContain(id)
    for (const setting of Object.keys((detectors.get(id)!.params as unknown as z.ZodObject).shape))
      expect(setting === 'type' || text.includes(`\`${setting}\``), setting).toBe(true)
  })

  test('tells of auto', () => {
    expect(anchors(text)).toContain('auto')
  })
})

describe('docs/features.md', () => {
  test.each(derives)('tells of %s', (derive) => {
    expect(new RegExp(`^\\| .*\`${derive}\``, 'm').test(read('docs/features.md'))).toBe(true)
  })
})

describe('docs/http-api.md', () => {
  const text = read('docs/http-api.md')

  test('lists the routes of openapi.yaml, all and no others', () => {
    const routes: string[] = []
    let path = ''
    for (const [, at, method] of read('openapi.yaml').matchAll(
      /^ {2}"?(\/[^\s":]*)"?:$|^ {4}(get|post|put|patch|delete):$/gm,
    )) {
      if (at) path = at
      else routes.push(`${method!.toUpperCase()} ${path}`)
    }
    expect(routes.length).toBeGreaterThan(20)
    const told = [...text.matchAll(/^\| `([A-Z]+ \/[^`]*)` \|/gm)].map(([, route]) => route!)
    expect(told.sort()).toEqual(routes.sort())
  })

  test('lists every error with its status and title', () => {
    for (const [code, { status, title }] of Object.entries(errorTable))
      expect(text.includes(`| \`${code}\` | ${status} | ${title} |`), code).toBe(true)
  })
})

describe('docs/decisions', () => {
  const files = below('docs/decisions').filter((name) => /\/\d/.test(name))

  test('are numbered without a gap, and all in the index', () => {
    const index = read('docs/decisions/README.md')
    expect(files.length).toBeGreaterThan(20)
    for (const [i, name] of files.sort().entries()) {
      const file = name.split('/').at(-1)!
      expect(file).toMatch(new RegExp(`^${String(i + 1).padStart(3, '0')}-`))
      expect(index).toContain(`(${file})`)
    }
  })

  test.each(files)('%s has its four parts', (name) => {
    expect(read(name).match(/^## .*$/gm)).toEqual([
      '## Context',
      '## Choice',
      '## Price',
      '## What would change our mind',
    ])
  })
})
