import { join } from 'node:path'
import { expect, test } from 'vitest'
import { killRounds } from '../../bench/faults/kill-rounds.ts'
import { makeHome } from './tools.ts'

test('fifteen kills while models are saved lose nothing acknowledged and damage nothing', async () => {
  // On a busy machine fifteen kills may all come before the first acknowledgement; then there is nothing to lose yet.
  for (let batch = 0, acknowledged = 0; acknowledged === 0; batch++) {
    expect(batch).toBeLessThan(8)
    const seed = Math.floor(Math.random() * 1e6)
    const report = await killRounds(join(await makeHome(), 'home'), 15, seed)
    expect(report.failures, `seed ${seed}`).toEqual([])
    expect(report).toMatchObject({ kills: 15, damaged: 0, lost: 0, phantoms: 0 })
    expect(report.slowestReadyMs).toBeLessThan(5_000)
    acknowledged = report.acknowledged
  }
}, 120_000)
