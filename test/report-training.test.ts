/** Scores of a training that are given away while they are still counted. */
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Opened } from '../src/opening.ts'
import { recordTraining, type TrainingReportParts } from '../src/report-training.ts'
import { exampleVersion } from '../src/schemas/examples.ts'
import type { VersionDocument } from '../src/schemas/model.ts'
import type { KeptReport } from '../src/schemas/report.ts'
import { createScratch } from '../src/scratch.ts'
import { freshFolder } from './endings.ts'

const document = exampleVersion as VersionDocument
const counted = { aggregate: null, profiles: [{ feature: 0, counts: [1] }] } as KeptReport

async function given() {
  const told: string[] = []
  const scratch = createScratch(await freshFolder())
  const kept = { keep: async () => void told.push('kept') } as unknown as TrainingReportParts['kept']
  const record = await recordTraining({ scratch: async () => scratch, kept }, { signal: new AbortController().signal })
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
