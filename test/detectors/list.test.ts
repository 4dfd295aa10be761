import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { detectors, findDetector } from '../../src/detectors/list.ts'
import { packageFolder } from '../../src/places.ts'

describe('the list of detectors', () => {
  test('has every file that exports one, each by an id of its own', () => {
    const folder = new URL('src/detectors/', packageFolder)
    const files = readdirSync(folder).filter((name) =>
      readFileSync(new URL(name, folder), 'utf8').includes('export const detector: Detector<'),
    )
    expect(files.length).toBeGreaterThan(3)
    expect(detectors.size).toBe(files.length)
  })

  test('an unknown detector is a model of a later version', () => {
    expect(() => findDetector('deep-thought')).toThrow(expect.objectContaining({ code: 'model_version_unsupported' }))
  })
})
