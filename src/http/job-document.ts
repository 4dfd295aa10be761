/** A job as a client sees it, and who may see it. */
import type { FastifyRequest } from 'fastify'
import { failureOf, isOver, type Job, type JobRecord } from '../jobs/index.ts'
import type { JobDocument } from '../schemas/index.ts'
import { problemOf } from './problem.ts'

/** The document of a job, now or as it was at a moment. */
export function describeJob(job: Job, record: JobRecord = job.record): JobDocument {
  const { rowsTotal, rowsDone, rowsPerSecond, state } = record
  const failure = failureOf(record)
  const left = rowsTotal === null ? null : Math.max(0, rowsTotal - rowsDone)
  return {
    id: record.id,
    kind: record.kind,
    model: record.model,
    state,
    stage: record.stage,
    rowsDone,
    rowsTotal,
    rowsPerSecond: Math.round(rowsPerSecond * 10) / 10,
    secondsLeft:
      state !== 'running' || left === null || rowsPerSecond === 0 ? null : Math.round((left / rowsPerSecond) * 10) / 10,
    createdAt: time(record.createdAt)!,
    startedAt: time(record.startedAt),
    finishedAt: time(record.finishedAt),
    expiresAt: isOver(state) ? time(job.expires?.wall ?? null) : null,
    problem: failure && problemOf(failure, record.requestId),
    events: `/jobs/${record.id}/events`,
    result: state === 'succeeded' ? `/jobs/${record.id}/result` : null,
  }
}

const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString())

/** Jobs belong to the name of their token; whoever may do the same work under it may see them, and `admin` sees all. */
export function maySee({ caller }: FastifyRequest, { kind, owner }: JobRecord): boolean {
  if (caller === null || caller.scopes.has('admin')) return true
  return owner === caller.name && caller.scopes.has(kind === 'train' ? 'train' : 'score')
}
