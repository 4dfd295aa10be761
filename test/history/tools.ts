/** Shared by the tests of derived features: a fleet, and a service that is asked about it. */
import { request } from 'undici'
import { expect } from 'vitest'
import type { VersionDocument } from '../../src/schemas/model.ts'

export type Row = Record<string, string | number | null>
export type Body = Record<string, unknown>

let address: string | undefined
/** The service that is asked when none is named. */
export function useService(url: string): void {
  address = url
}
const requireAddress = () => address!

const minute = 60_000
export const features = [
  'cpu',
  { column: 'cpu', derive: 'lag' },
  { column: 'cpu', derive: 'diff', window: 3 },
  { column: 'requests', derive: 'rate' },
  { column: 'requests', derive: 'rate', window: '5m' },
  { column: 'cpu', derive: 'rollingMean', window: 12 },
  { column: 'cpu', derive: 'rollingStd', window: '10m' },
  { column: 'cpu', derive: 'rollingMin', window: 5 },
  { column: 'cpu', derive: 'rollingMax', window: '7m' },
  { column: 'cpu', derive: 'zScore', window: 12 },
]

/** Hosts with a counter that starts anew now and then, interleaved; `b` pauses for half an hour. */
export function fleet(count: number, hosts = ['a', 'b', 'c']): Row[] {
  const requests = new Map(hosts.map((host) => [host, 0]))
  const rows: Row[] = []
  for (let step = 0; step < count; step++) {
    for (const [index, host] of hosts.entries()) {
      if (host === 'b' && step >= 60 && step < 90) continue
      const restarts = step % 50 === 10 * index + 7
      requests.set(host, restarts ? 3 : requests.get(host)! + 40 + ((step * 7 + index) % 11))
      const ts = new Date(Date.UTC(2026, 0, 1) + step * minute + index * 1000).toISOString()
      const cpu = 0.5 + 0.3 * Math.sin((step + 5 * index) / 30) + 0.05 * Math.sin(step * 12.9898 + index)
      rows.push({ ts, host, cpu, requests: requests.get(host)! })
    }
  }
  return rows
}

export async function post(
  path: string,
  body: Body | string,
  type = 'application/json',
  at: string = requireAddress(),
) {
  const answer = await request(`${at}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: answer.statusCode, body: (await answer.body.json()) as Body }
}

export async function train(model: string, body: Body, at: string = requireAddress()): Promise<VersionDocument> {
  const answer = await post(
    '/train',
    { model, detector: { type: 'isolation-forest', seed: 1, trees: 20 }, ...body },
    undefined,
    at,
  )
  expect(answer.body['code'], JSON.stringify(answer.body)).toBeUndefined()
  return answer.body as unknown as VersionDocument
}

export interface Result {
  readonly row: number
  readonly score: number | null
  readonly reason?: string
  readonly features?: string[]
}

const resultsOf = ({ body }: { body: Body }) => {
  expect(body['code'], JSON.stringify(body)).toBeUndefined()
  return body['results'] as Result[]
}
export const scoreRows = async (model: string, rows: Row[], at: string = requireAddress()) =>
  resultsOf(await post('/score', { model, rows }, undefined, at))
export const csvOf = (rows: Row[]) =>
  `${Object.keys(rows[0]!).join(',')}\n${rows
    .map((row) =>
      Object.values(row)
        .map((value) => value ?? '')
        .join(','),
    )
    .join('\n')}\n`
export const scoreFile = async (model: string, rows: Row[]) =>
  resultsOf(await post(`/score?model=${model}&return=all`, csvOf(rows), 'text/csv'))
export const marks = (results: Result[]) => results.map(({ score, reason }) => score ?? reason)
