import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { loadDetectors } from '../../src/detectors/discovery.ts'
import { detectors, findDetector } from '../../src/detectors/index.ts'

const root = mkdtempSync(join(tmpdir(), 'detectors-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const parts = [
  'reservoirs',
  'mostBytes',
  'resolve',
  'pieces',
  'fitPiece',
  'join',
  'check',
  'describe',
  'tree',
  'createScorer',
]

const source = (id: string, without = '') => `export const detector = {
  id: '${id}', title: 't', paper: 'p', params: {}, autoThreshold: null, isCalibrated: false,
  ${parts
    .filter((part) => part !== without)
    .map((part) => `${part}() {}`)
    .join(', ')}
}`

function folderOf(name: string, files: Record<string, string>): URL {
  const folder = join(root, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  return pathToFileURL(`${folder}/`)
}

describe('the discovery of detectors', () => {
  test('finds every file of the folder in the order of their names, and only detectors', async () => {
    const folder = folderOf('good', {
      ...{ 'b.js': source('bee'), 'a.js': source('ay'), 'c.js': source('sea') },
      ...{ 'index.js': 'throw 1', 'detector.js': 'throw 1', 'a.js.map': '{', 'a.d.ts': '{' },
    })
    expect([...(await loadDetectors(folder, '.js')).keys()]).toEqual(['ay', 'bee', 'sea'])
  })

  test('refuses two detectors with one id', async () => {
    const folder = folderOf('twice', { 'a.js': source('same'), 'b.js': source('same') })
    await expect(loadDetectors(folder, '.js')).rejects.toThrow('b.js has the id same')
  })

  test.each(parts)('refuses a detector without %s', async (part) => {
    const folder = folderOf(`without-${part}`, { 'a.js': source('one', part) })
    await expect(loadDetectors(folder, '.js')).rejects.toThrow(`a.js lacks ${part}`)
  })

  test('refuses a file that exports no detector', async () => {
    await expect(loadDetectors(folderOf('empty', { 'a.js': 'export {}' }), '.js')).rejects.toThrow(
      'exports no detector',
    )
  })

  test('found all of ours', () => {
    const folder = new URL('../../src/detectors/', import.meta.url)
    const files = readdirSync(folder).filter((name) =>
      /^(?!index|detector|discovery|found|settings|per-entity)[a-z-]+\.[jt]s$/.test(name),
    )
    expect(files.length).toBeGreaterThan(0)
    expect(detectors.size).toBe(files.length)
  })

  test('an unknown detector is a model of a later version', () => {
    expect(() => findDetector('deep-thought')).toThrow(expect.objectContaining({ code: 'model_version_unsupported' }))
  })
})
