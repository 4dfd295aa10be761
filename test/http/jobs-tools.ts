/** What the tests of jobs share: asking for one, following it to its end, and work that takes its time. */
import { readdir, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { JobDocument } from '../../src/schemas/job.ts'
import { type HttpApp, outcome, type Reply, type SendOptions, sendTo } from './client.ts'
import { dial, rawRequest } from './wire.ts'

export const later = { prefer: 'respond-async' }

/** Asks for a job and checks all that a 202 says. */
export async function submit(url: string, path: string, options: SendOptions): Promise<JobDocument> {
  const reply = await sendTo(url, 'POST', path, { ...options, headers: { ...later, ...options.headers } })
  return jobOf(reply)
}

export function jobOf(reply: Reply): JobDocument {
  expect(outcome(reply)).toBe('202')
  expect(reply.headers).toMatchObject({ 'content-type': 'application/json', 'preference-applied': 'respond-async' })
  const job = reply.json<JobDocument>()
  expect(reply.headers['location']).toBe(`/jobs/${job.id}`)
  return job
}

export interface HeardEvent {
  readonly id: string
  readonly job: JobDocument
}

/** The events in a text, in order; anything that is neither an event nor a comment fails. */
export function parseEvents(text: string): HeardEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const [, id, data] = /^id: (\w+)\nevent: job\ndata: (.+)$/.exec(block) ?? []
      return { id: id!, job: JSON.parse(data!) as JobDocument }
    })
}

/** The job when it is over: its stream of events ends then. */
export async function ended(url: string, id: string, headers: Record<string, string> = {}): Promise<JobDocument> {
  const reply = await sendTo(url, 'GET', `/jobs/${id}/events`, { headers })
  expect(outcome(reply)).toBe('200')
  return parseEvents(reply.text).at(-1)!.job
}

/** Listens until an event says so, and leaves. */
export async function heard(url: string, id: string, isIt: (job: JobDocument) => boolean): Promise<JobDocument> {
  const socket = await dial(url)
  socket.write(rawRequest(`GET /jobs/${id}/events`))
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    const jobs = [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data!) as JobDocument)
    const found = jobs.find(isIt)
    if (found) return found
  }
  throw new Error(`the job ended before: ${text}`)
}

/** Many rows of `cpu` and `latency` as CSV: enough to be met in the middle of it. */
export const longRows = 1_200_000
const block = Array.from(
  { length: 1000 },
  (_, index) => `${Math.sin(index * 12.9898).toFixed(6)},${(12 + Math.cos(index * 78.233)).toFixed(6)}\n`,
).join('')
export const longCsv = Buffer.from(`cpu,latency\n${block.repeat(longRows / 1000)}`)

/** The same as a file in the data root of a state folder. */
export async function writeLongFile(home: string): Promise<string> {
  await writeFile(join(home, 'telemetry', 'long.csv'), longCsv)
  return 'long.csv'
}

/** What is spooled, and what lies in the folder of jobs. */
export async function leftovers(home: string): Promise<{ spool: string[]; jobs: string[] }> {
  const [spool, jobs] = await Promise.all([readdir(join(home, 'spool')), readdir(join(home, 'jobs'))])
  return { spool, jobs }
}

/** Processes below this one that have a file of this folder open. */
export async function readersOf(folder: string, parent = process.pid): Promise<number[]> {
  const found: number[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)) {
    if (pid === parent || !(await isBelow(pid, parent))) continue
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => [])
    const links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
    if (links.some((link) => link.startsWith(folder))) found.push(pid)
  }
  return found
}

async function isBelow(pid: number, parent: number): Promise<boolean> {
  const { readFile } = await import('node:fs/promises')
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
}

/** What a reply says beside what differs from one sending to the next. */
export function essence({ status, headers, bytes }: Reply): object {
  const named = ['content-type', 'deepwatch-model', 'deepwatch-threshold', 'location', 'content-length']
  return { status, headers: Object.fromEntries(named.map((name) => [name, headers[name]])), bytes }
}

export const versionsOf = async (app: HttpApp, model: string): Promise<number[]> => {
  const reply = await app.get(`/models/${model}`)
  return reply.status === 404 ? [] : reply.json<{ versions: number[] }>().versions
}
