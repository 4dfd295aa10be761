/** `/jobs`: follow work that goes on without its request, take its result, cancel it. */
import { z } from 'zod'
import { DeepWatchError, type ErrorCode } from '../src/errors.ts'
import {
  type AddressedRequest,
  answerInJson,
  describeJob,
  maySee,
  readQuery,
  route,
  sendAnswer,
  telemetryErrors,
  workErrorsOf,
} from '../src/http/index.ts'
import type { Job } from '../src/jobs/index.ts'
import { exampleJob, exampleScores, exampleVersion, jobDocument, jobList } from '../src/schemas/index.ts'

const page = z.strictObject({
  after: z.string().max(36).optional().describe('Id of the job after which the page begins.'),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'must be a whole number from 1 to 999')
    .transform(Number)
    .optional()
    .describe('Jobs per page, by default 100.'),
})

/** Whoever may ask for work may ask after it; which jobs a caller sees is decided job by job. */
const scope = ['score', 'train', 'admin'] as const
const notThere: readonly ErrorCode[] = ['invalid_id', 'uri_too_long', 'job_not_found', 'shutting_down']
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const maxIdLength = 256

export const jobs = [
  route({
    method: 'GET',
    url: '/jobs',
    scope,
    operation: {
      id: 'listJobs',
      summary: 'Every job, newest first',
      description:
        'With tokens, those of the same token name and of kinds of work it may ask for; `admin` sees all. Requests with an `Idempotency-Key` are jobs too.',
      tag: 'jobs',
      query: page,
      answers: { 200: answerInJson('The jobs.', jobList, { jobs: [exampleJob], next: null }) },
      errors: ['duplicate_key', 'shutting_down'],
    },
    async handler(request) {
      const { after, limit = 100 } = readQuery(page, request)
      const { jobs } = request.server.deepwatch.service()
      const visible = jobs.list().filter((job) => maySee(request, job.record))
      const from = after === undefined ? 0 : visible.findIndex((job) => job.id === after) + 1
      const found = after !== undefined && from === 0 ? [] : visible.slice(from, from + limit)
      return {
        jobs: found.map((job) => describeJob(job)),
        next: from + limit < visible.length ? (found.at(-1)?.id ?? null) : null,
      }
    },
  }),
  route<'id'>({
    method: 'GET',
    url: '/jobs/:id',
    scope,
    operation: {
      id: 'getJob',
      summary: 'How far a job is',
      description:
        'Jobs are kept on disk: one that was not over when the process ended is `interrupted` after the restart. When the service is told to stop, jobs that wait are `interrupted` at once, and those at work when they do not end in four fifths of the drain time.',
      tag: 'jobs',
      answers: { 200: answerInJson('The job.', jobDocument, exampleJob) },
      errors: notThere,
    },
    handler: async (request) => describeJob(find(request)),
  }),
  route<'id'>({
    method: 'GET',
    url: '/jobs/:id/result',
    exposeHeadRoute: false,
    scope,
    operation: {
      id: 'getJobResult',
      summary: 'What the request would have answered',
      description:
        'Status, media type, header fields and body of the answer, byte for byte; its media type was chosen by the `Accept` of the request for the work. A failed job answers with the problem it failed with: an answer that would have broken off is one.',
      tag: 'jobs',
      answers: {
        200: {
          description: 'The answer of `/score` or `/evaluate`.',
          headers: { 'DeepWatch-Model': 'As from `/score`.', 'DeepWatch-Threshold': 'As from `/score`.' },
          content: {
            'application/json': { example: exampleScores },
            'application/x-ndjson': {},
            'text/csv': {},
            'application/vnd.apache.parquet': {},
            'application/vnd.apache.arrow.stream': {},
          },
        },
        201: {
          description: 'The answer of `/train`.',
          headers: { Location: 'Where the version is.' },
          content: { 'application/json': { example: exampleVersion } },
        },
      },
      errors: [
        ...notThere,
        'job_not_finished',
        'job_cancelled',
        'job_interrupted',
        'result_too_large',
        ...telemetryErrors,
        ...Object.values(workErrorsOf).flat(),
      ],
    },
    async handler(request, reply) {
      const { service, config } = request.server.deepwatch
      await sendAnswer(reply, await service().jobs.result(find(request)), config.DEEPWATCH_BODY_STALL_MS)
    },
  }),
  route<'id'>({
    method: 'GET',
    url: '/jobs/:id/events',
    exposeHeadRoute: false,
    scope,
    waitsForOthers: true,
    operation: {
      id: 'followJob',
      summary: 'The job as it goes on',
      description:
        'Server-sent events called `job`, each with the document: first as it is now, then at every change of state or stage, and while rows are done a few times a second. Comments show that the connection lives. The stream ends after the last state. Whoever comes back with `Last-Event-ID` hears what was missed.',
      tag: 'jobs',
      headers: { 'Last-Event-ID': { description: 'The id of the last event that was heard.', example: '4' } },
      answers: {
        200: {
          description: 'The events.',
          content: { 'text/event-stream': { example: `id: 4\nevent: job\ndata: ${JSON.stringify(exampleJob)}\n\n` } },
        },
        204: { description: 'The job is over and its last event was heard.' },
      },
      errors: [...notThere, 'overloaded'],
    },
    handler: async (request, reply) => request.server.deepwatch.listeners.listen(find(request), request, reply),
  }),
  route<'id'>({
    method: 'DELETE',
    url: '/jobs/:id',
    scope,
    operation: {
      id: 'deleteJob',
      summary: 'Cancel a job, or forget it',
      description:
        'A job that is not over is cancelled: when the answer comes its reading processes are gone, its tasks dropped and its files removed, and its state is `cancelled`. One that is just ending, above all a training whose version is being written, ends as it would have. A job that is over is forgotten, and its result removed.',
      tag: 'jobs',
      answers: { 204: { description: 'It is cancelled, or forgotten.' } },
      errors: notThere,
    },
    async handler(request, reply) {
      await request.server.deepwatch.service().jobs.remove(find(request))
      return reply.code(204).send()
    },
  }),
]

/** The job of an address, for those who may see it; to others it is not there. */
function find(request: AddressedRequest<'id'>): Job {
  const { id } = request.params
  if (id.length > maxIdLength) throw new DeepWatchError('uri_too_long', 'The id of a job has 36 characters.')
  if (!idPattern.test(id)) throw new DeepWatchError('invalid_id', 'The id of a job is a UUID in lower case.')
  const job = request.server.deepwatch.service().jobs.find(id)
  if (!job || !maySee(request, job.record)) throw new DeepWatchError('job_not_found', 'There is no job with this id.')
  return job
}
