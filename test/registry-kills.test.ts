import { join } from 'node:path'
import { expect, test } from 'vitest'
import { killRounds } from '../bench/faults/kill-rounds.ts'
import { makeHome } from './registry-tools.ts'

test('fifteen kills while models are saved lose nothing acknowledged and damage nothing', async () => {
  const seed = Math.floor(Math.random() * 1e6)
  const report = await killRounds(join(await makeHome(), 'home'), 15, seed)
  expect(report.failures, `seed ${seed}`).toEqual([])
  expect(report).toMatchObject({ kills: 15, damaged: 0, lost: 0, phantoms: 0 })
  expect(report.acknowledged).toBeGreaterThan(0)
  expect(report.slowestReadyMs).toBeLessThan(5_000)
}, 60_000)
