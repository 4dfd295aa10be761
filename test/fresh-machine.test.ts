import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { packageFolder } from '../src/places.ts'

describe('a fresh machine', () => {
  test('has a Node that every package takes', () => {
    const { packages } = JSON.parse(readFileSync(new URL('package-lock.json', packageFolder), 'utf8')) as {
      packages: Record<string, { optional?: boolean; engines?: { node?: string } }>
    }
    const floor = 20
    const takesFloor = (range: string) =>
      range.split('||').some((each) => {
        const [, sign = '', major] = /^\s*(\^|>=?|~|v)?\s*(\d+|\*)/.exec(each) ?? []
        return major === '*' || (sign.startsWith('>') ? Number(major) <= floor : Number(major) === floor)
      })
    const refusing = Object.entries(packages).filter(([, { engines }]) => engines?.node && !takesFloor(engines.node))
    expect(refusing.map(([name, { engines }]) => `${name}: ${engines!.node}`)).toEqual([])
  })

  test('is told by npm start what happens, and nothing is built twice', () => {
    const { stderr, status } = spawnSync(process.execPath, ['prestart.mjs'], { cwd: packageFolder, encoding: 'utf8' })
    expect([stderr, status]).toEqual(['DeepWatch is built. Starting the service; its log follows.\n', 0])
  })
})
