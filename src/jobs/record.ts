/** The part of a job that is stored on disk. Its work, its listeners and its spool end with the process. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { DeepWatchError, type ErrorCode, isErrorCode } from '../errors.ts'
import { type JobKind, type JobState, jobKinds, jobStates } from '../schemas/index.ts'
import { stages } from '../work.ts'

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().min(0)
const milliseconds = z.int()

export const jobRecord = z.strictObject({
  id: z.uuid(),
  kind: z.enum(jobKinds),
  model: z.string().max(100),
  /** Name of the token it was asked for with; null in a service without tokens. */
  owner: z.string().max(64).nullable(),
  /** Of the request that asked for it. */
  requestId: z.string().max(64),
  /** A request waits for the answer: the client gave a key and did not ask for a job. */
  awaited: z.boolean(),
  /** Digests of the idempotency key and of the request made with it; null without one, or when it was freed. */
  key: z.strictObject({ id: hex, request: hex }).nullable(),
  state: z.enum(jobStates),
  stage: z.enum(stages),
  rowsDone: count,
  rowsTotal: count.nullable(),
  rowsPerSecond: z.number().min(0),
  createdAt: milliseconds,
  startedAt: milliseconds.nullable(),
  finishedAt: milliseconds.nullable(),
  failure: z
    .strictObject({
      code: z.custom<ErrorCode>(isErrorCode),
      detail: z.string(),
      facts: z.record(z.string(), z.unknown()),
    })
    .nullable(),
  result: z
    .strictObject({
      status: z.int().min(200).max(299),
      type: z.string(),
      headers: z.record(z.string(), z.string()),
      bytes: count,
    })
    .nullable(),
})

export type JobRecord = Readonly<z.infer<typeof jobRecord>>

/** A job as it is accepted. */
export function newRecord(
  asked: Pick<JobRecord, 'model' | 'owner' | 'requestId' | 'awaited' | 'key'> & { kind: JobKind },
  now: number,
): JobRecord {
  const { kind, model, owner, requestId, awaited, key } = asked
  return {
    id: randomUUID(),
    kind,
    model,
    owner,
    requestId,
    awaited,
    key,
    state: 'queued',
    stage: 'waiting',
    rowsDone: 0,
    rowsTotal: null,
    rowsPerSecond: 0,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    failure: null,
    result: null,
  }
}

export const isOver = (state: JobState): boolean => state !== 'queued' && state !== 'running'

/** What a failed job failed with. */
export function failureOf({ failure }: JobRecord): DeepWatchError | null {
  return failure && new DeepWatchError(failure.code, failure.detail, { facts: failure.facts })
}
