/** What `GET /jobs/{id}` and its events say. */
import { z } from 'zod'
import { stages } from '../work.ts'
import { problem } from './problem.ts'

/** A job is over in the last four of them. */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted'] as const
export type JobState = (typeof jobStates)[number]

export const jobKinds = ['train', 'score', 'evaluate'] as const
export type JobKind = (typeof jobKinds)[number]

const time = z.string().meta({ format: 'date-time' })

export const jobDocument = z
  .object({
    id: z.uuid(),
    kind: z.enum(jobKinds),
    model: z.string().describe('The model as the request named it.'),
    state: z.enum(jobStates),
    stage: z.enum(stages).describe('Where it is, or where it ended.'),
    rowsDone: z.int().min(0).describe('Rows of this stage that are done.'),
    rowsTotal: z.int().min(0).nullable().describe('Rows this stage goes through; null when nobody knows.'),
    rowsPerSecond: z.number().min(0).describe('Over this stage.'),
    secondsLeft: z.number().min(0).nullable().describe('Of this stage, at this speed; null when unknown.'),
    createdAt: time,
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    expiresAt: time.nullable().describe('When job and result are forgotten, if nothing more needs their room.'),
    problem: problem.nullable().describe('Why it failed.'),
    events: z.string().describe('Where to follow it.'),
    result: z.string().nullable().describe('Where the answer is, once it succeeded.'),
  })
  .meta({ id: 'Job' })

export type JobDocument = z.infer<typeof jobDocument>

export const jobList = z
  .object({ jobs: z.array(jobDocument), next: z.string().nullable().describe('For `after`; null on the last page.') })
  .meta({ id: 'JobList' })
