/** Scores of a training that are given away while they are still counted. */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createTopScores } from '../../src/kernels/scores/top-scores.ts'
import type { KeptReports } from '../../src/reporting/kept-reports.ts'
import { exampleVersion } from '../../src/schemas/examples.ts'
import type { VersionDocument } from '../../src/schemas/model.ts'
import type { KeptReport } from '../../src/schemas/report.ts'
import { createScratch } from '../../src/sources/scratch.ts'
import type { Opened } from '../../src/telemetry/opening.ts'
import { TrainingRecord } from '../../src/training/report.ts'
import { finishSearch } from '../../src/training/threshold.ts'
import { freshFolder } from '../endings.ts'

const document = exampleVersion as VersionDocument
const counted = { aggregate: null, profiles: [{ feature: 0, counts: [1] }] } as KeptReport

async function given() {
  const told: string[] = []
  const scratch = createScratch(await freshFolder())
  const kept = { keep: async () => void told.push('kept') } as unknown as KeptReports
  const record = new TrainingRecord(kept, scratch, undefined)
  await record.add(Float64Array.of(0.5, 0.25))
  await record.complete()
  const opened = { close: async () => void told.push('source closed') } as unknown as Opened
  return { told, scratch, record, opened }
}

describe('scores that are given away', () => {
  test('are there before they are counted; what was counted is kept before anybody is told', async () => {
    const { told, scratch, record, opened } = await given()
    let count = (_: KeptReport) => {}
    const counting = new Promise<KeptReport>((fulfil) => {
      count = fulfil
    })
    const scores = record.handOver(document, counting, opened)!
    await record.close()
    const found = new Float64Array(2)
    const file = await scores.scratch.readScores()
    await file.next(found)
    await file.close()
    expect([...found]).toEqual([0.5, 0.25])
    const end = scores.aggregate.then(() => told.push('told'))
    const closed = scores.close().then(() => told.push('closed'))
    expect(told).toEqual([])
    count(counted)
    await Promise.all([end, closed])
    expect(told).toEqual(['kept', 'told', 'source closed', 'closed'])
    expect(existsSync(scratch.scoresPath)).toBe(false)
  })

  test('close when counting was cancelled, and nothing is kept', async () => {
    const { told, record, opened } = await given()
    const scores = record.handOver(document, Promise.reject(new Error('cancelled')), opened)!
    await expect(scores.aggregate).rejects.toThrow('cancelled')
    await scores.close()
    expect(told).toEqual(['source closed'])
  })
})

describe('scores that are brought again', () => {
  const { signal } = new AbortController()
  const again = async (record: Awaited<ReturnType<typeof given>>['record'], wanted = signal) => {
    const scores: number[] = []
    const isWhole = await record.bringAgain((more) => scores.push(...more), wanted)
    return { scores, isWhole }
  }

  test('come whole and in order, as often as they are wanted', async () => {
    const { record } = await given()
    for (let walk = 0; walk < 2; walk++) expect(await again(record)).toEqual({ scores: [0.5, 0.25], isWhole: true })
  })

  test('are not whole when the file was lost, or who asks gives up', async () => {
    const { record, scratch } = await given()
    expect((await again(record, AbortSignal.abort())).isWhole).toBe(false)
    await scratch.dispose()
    expect(await again(record)).toEqual({ scores: [], isWhole: false })
  })

  test('are not whole when they could not be written', async () => {
    const scratch = createScratch(await freshFolder())
    const failing = { ...scratch, openScores: () => Promise.reject(new Error('the disk is full')) }
    const kept = {} as KeptReports
    const record = new TrainingRecord(kept, failing, undefined)
    await record.add(Float64Array.of(0.5))
    expect((await again(record)).isWhole).toBe(false)
  })
})

test('a threshold among more scores than are kept is exact, unless the scores are lost', async () => {
  const { signal } = new AbortController()
  const scores = Float64Array.from({ length: 1000 }, (_, i) => 0.5 + ((i * 7) % 1000) * 2 ** -30)
  for (const isLost of [false, true]) {
    const scratch = createScratch(await freshFolder())
    const kept = {} as KeptReports
    const record = new TrainingRecord(kept, scratch, undefined)
    const search = () => {
      const started = createTopScores(scores.length, 0.2, 10)
      started.offer(scores)
      return started
    }
    await record.add(scores)
    await record.complete()
    if (isLost) await scratch.dispose()
    const found = await finishSearch(search(), record, signal)
    const exact = { value: 0.5 + 799 * 2 ** -30, exact: true, above: 200 }
    expect(found).toEqual(isLost ? { value: 0.5 + 999 * 2 ** -30, exact: false, above: 0 } : exact)
    await expect(finishSearch(search(), record, AbortSignal.abort())).rejects.toThrow('aborted')
  }
})
