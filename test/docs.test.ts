/** The documents name only what exists, and everything that users rely on. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { settings } from '../src/config.ts'
import { createMetrics } from '../src/observe/metrics.ts'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']

describe('documents', () => {
  test.each(documents)('%s names only files that exist', (name) => {
    const text = read(name)
    const named = [
      ...text.matchAll(
        /`((?:src|routes|workers|sql|docker|test|bench|examples|\.ci)\/[\w./-]*)`|\]\(((?!https?:)[\w./-]+)\)/g,
      ),
    ]
      .map(([, code, link]) => (code ?? link)!)
      .filter((path) => !path.includes('<'))
    expect(named.length).toBeGreaterThan(name === 'CHANGELOG.md' ? -1 : 2)
    const missing = named.filter(
      (path) => !['', '.ts'].some((ending) => existsSync(new URL(path.replace(/\/$/, '') + ending, root))),
    )
    expect(missing).toEqual([])
  })

  test('the README lists every setting with its description', () => {
    const readme = read('README.md')
    expect(Object.keys(settings).length).toBeGreaterThan(20)
    for (const [key, schema] of Object.entries(settings)) {
      expect(readme).toContain(`| \`${key}\` |`)
      expect(readme).toContain(schema.description!)
    }
  })

  test('the README lists every metric of our own', async () => {
    const metrics = createMetrics({
      version: '0',
      models: 1,
      observed: { models: () => 0, poolQueue: () => 0, poolUtilization: () => 0 },
    })
    const { body } = await metrics.print('text')
    const names = [...body.matchAll(/^# TYPE (deepwatch_\w+)/gm)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(12)
    const readme = read('README.md')
    for (const name of names) expect(readme).toContain(`\`${name}`)
  })
})
