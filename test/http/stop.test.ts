import { describe, expect, test } from 'vitest'
import { freshFolder } from '../endings.ts'
import { type Child, startChild } from './child.ts'
import { inspectLog, markedRows, outcome, type Reply, sendTo, smallForest } from './client.ts'
import { dial, heldRows, holdAnswer, rawRequest } from './wire.ts'

async function started(settings: Readonly<Record<string, string>> = {}): Promise<{ child: Child; url: string }> {
  const child = startChild({ PORT: '0', DEEPWATCH_CORES: '2', DEEPWATCH_HOME: await freshFolder(), ...settings })
  const url = await child.ready
  const trained = await sendTo(url, 'POST', '/train', {
    json: { model: 'web', rows: markedRows(), detector: smallForest },
  })
  expect(outcome(trained)).toBe('201')
  return { child, url }
}

const score = (url: string) => sendTo(url, 'POST', '/score', { json: { model: 'web', rows: markedRows(4) } })

describe('SIGTERM', () => {
  test('lets an answer under way end, refuses new work, says so in readiness, and exits 0', async () => {
    const { child, url } = await started()
    const answer = await holdAnswer(url, 'web')
    child.process.kill('SIGTERM')
    await child.logged('stopping')
    const refusals: Reply[] = [
      await score(url),
      await sendTo(url, 'GET', '/readyz'),
      await sendTo(url, 'GET', '/models'),
    ]
    expect(refusals.map(outcome)).toEqual(Array(3).fill('503 shutting_down'))
    expect(outcome(await sendTo(url, 'GET', '/livez'))).toBe('200')
    expect(outcome(await sendTo(url, 'GET', '/metrics'))).toBe('200')
    const text = await answer.rest()
    expect(text).toContain(`"rows":${heldRows},`)
    expect(await child.exit).toBe(0)
    inspectLog(child.log)
  })

  test('under load cuts nothing that was accepted, and does not wait for clients that keep asking', async () => {
    const { child, url } = await started()
    let stopping = false
    const outcomes = { before: new Set<string>(), after: new Set<string>() }
    const client = async () => {
      for (;;) {
        const asked = stopping ? 'after' : 'before'
        const answer = await score(url).then(outcome, (error: NodeJS.ErrnoException) => `gone ${error.code}`)
        outcomes[asked].add(answer)
        if (answer.startsWith('gone')) return
      }
    }
    const training = sendTo(url, 'POST', '/train', {
      json: { model: 'late', rows: markedRows(20_000), detector: { type: 'isolation-forest', trees: 300 } },
    })
    const clients = Array.from({ length: 6 }, client)
    await sendTo(url, 'GET', '/metrics')
    stopping = true
    child.process.kill('SIGTERM')
    expect(await child.exit).toBe(0)
    await Promise.all(clients)
    // Asked before: answered, one way or the other. Asked later: refused, or there was nobody.
    expect([...outcomes.before].filter((each) => !['200', '503 shutting_down'].includes(each))).toEqual([])
    expect(
      [...outcomes.after].filter(
        (each) => !/^(200|503 shutting_down|gone (ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET))$/.test(each),
      ),
    ).toEqual([])
    expect(['201', '503 shutting_down']).toContain(outcome(await training))
    inspectLog(child.log)
  })

  test('does not wait for connections that are idle, half-asked or slow to ask', async () => {
    const { child, url } = await started()
    const idle = await dial(url)
    idle.write(rawRequest('GET /livez', { Connection: 'keep-alive' }))
    await new Promise((resolve) => idle.once('data', resolve))
    const silent = await dial(url)
    child.process.kill('SIGTERM')
    expect(await child.exit).toBe(0)
    idle.destroy()
    silent.destroy()
  })

  test('gives up on what does not end in time and exits 1', async () => {
    const { child, url } = await started({ DEEPWATCH_DRAIN_MS: '100' })
    const answer = await holdAnswer(url, 'web')
    child.process.kill('SIGTERM')
    expect(await child.exit).toBe(1)
    answer.socket.destroy()
  })

  test('SIGINT is the same', async () => {
    const { child } = await started()
    child.process.kill('SIGINT')
    expect(await child.exit).toBe(0)
    expect(child.log.at(-1)).toMatchObject({ msg: 'stopped', inTime: true })
  })
})
