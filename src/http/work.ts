/** The one way through `POST /train`, `/score` and `/evaluate`: the answer is sent, or kept as a job's result. */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { type Answer, type Job, type Jobs, jsonAnswer } from '../jobs/index.ts'
import type { Rows } from '../json/index.ts'
import { exampleJob, type JobKind, jobDocument, modelReferencePattern } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Source } from '../sources/index.ts'
import { digestOf } from '../storage/index.ts'
import { requireOneSource } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { type Intake, takeIn } from './intake.ts'
import { describeJob } from './job-events.ts'
import { type Answer as AnswerDescription, type Operation, route } from './operation.ts'
import { idempotencyKey, prefersAsync, workFields } from './preferences.ts'
import { asDeepWatchError, noteFailure } from './problem.ts'
import { sendAnswer } from './stream.ts'
import { telemetryBodies, telemetryErrors, workErrorsOf } from './telemetry-bodies.ts'

type WorkSettings = {
  model: string
  rows?: Rows | undefined
  source?: { path: string | string[] } | undefined
}

/** Makes the answer. The upload stays the caller's. */
type Make = (upload: Source | null, work: Work) => Promise<Answer>

/** What a route says of its work; `example` is a JSON body. */
interface WorkRoute<S extends z.ZodObject> extends Pick<Operation, 'summary' | 'answers'> {
  readonly kind: JobKind
  readonly scope: 'train' | 'score'
  readonly settings: S
  readonly description: string
  readonly example: unknown
  /** Refuses settings that cannot be meant, then says how the answer is made in the media type `form`. */
  plan(settings: z.infer<S>, form: string, service: () => Service): Make
}

const acceptedAnswer: AnswerDescription = {
  description: 'With `Prefer: respond-async`: the job.',
  headers: { Location: 'Where the job is.', 'Preference-Applied': '`respond-async`.' },
  content: {
    'application/json': { schema: jobDocument, example: { ...exampleJob, state: 'queued', stage: 'waiting' } },
  },
}

/** The route `POST /<kind>`: work on telemetry, which may be asked for as a job or with an `Idempotency-Key`. */
export function workRoute<S extends z.ZodObject>(declared: WorkRoute<S>): RouteOptions {
  const { kind, scope, settings, summary, description, example, answers } = declared
  return route({
    method: 'POST',
    url: `/${kind}`,
    scope,
    takesWork: true,
    operation: {
      id: kind,
      summary,
      description,
      tag: 'telemetry',
      headers: workFields,
      query: settings.omit({ rows: true } as never),
      body: telemetryBodies(settings, example),
      answers: { ...answers, 202: acceptedAnswer },
      errors: [
        ...telemetryErrors,
        'idempotency_conflict',
        'idempotency_in_progress',
        'result_too_large',
        'job_cancelled',
        'storage_error',
        ...workErrorsOf[kind],
      ],
    },
    handler: (request, reply) => answerWork(declared, request, reply),
  })
}

/** Answers a request for work: with the answer, or with the job that makes it. */
async function answerWork<S extends z.ZodObject>(
  { kind, settings: schema, plan }: WorkRoute<S>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { service, config } = request.server.deepwatch
  const { jobs } = service()
  const isAsync = prefersAsync(request)
  const key = idempotencyKey(request)
  const intake = await takeIn(schema, request, reply)
  const { settings, upload } = intake
  let isOurs = true
  try {
    const { rows, source } = settings as unknown as WorkSettings
    requireOneSource({ rows, source, upload })
    const make = plan(settings, request.form, service)
    const isJob = isAsync || key !== null
    isOurs = !isJob
    const answer = isJob
      ? await answerByJob(jobs, kind, request, intake, { isAsync, key }, make)
      : await make(upload, request.work)
    await sendAnswer(reply, answer, config.DEEPWATCH_BODY_STALL_MS)
  } finally {
    if (isOurs) await upload?.dispose()
  }
}

/** Has a job make the answer: answers with the job itself where the client does not want to wait, else with what it made. */
async function answerByJob<S>(
  jobs: Jobs,
  kind: JobKind,
  request: FastifyRequest,
  intake: Intake<S>,
  { isAsync, key }: { isAsync: boolean; key: string | null },
  make: Make,
): Promise<Answer> {
  const { settings, upload, heldBytes } = intake
  const { model } = settings as unknown as WorkSettings
  const release = holdNamed(request, model)
  const { job, isNew } = await jobs.submit({
    kind,
    model,
    owner: request.caller?.name ?? null,
    requestId: request.id,
    key: key === null ? null : digests(request, key, intake),
    awaited: !isAsync,
    heldBytes,
    log: request.log,
    produce: (work) => make(upload, work),
    explain(error) {
      const known = asDeepWatchError(error)
      noteFailure(request, known, 'a job failed')
      return known
    },
    async dispose() {
      release()
      await upload?.dispose()
    },
  })
  if (isAsync) {
    const headers = { location: `/jobs/${job.id}`, 'preference-applied': 'respond-async' }
    return jsonAnswer(202, describeJob(job), { headers })
  }
  if (!isNew && !job.isOver)
    throw new DeepWatchError('idempotency_in_progress', 'The first request with this Idempotency-Key is under way.')
  return awaitResult(jobs, job, request)
}

/** Keeps the version of a reference such as `web@3` from expiring before a job that waits has begun. */
function holdNamed({ server }: FastifyRequest, reference: string): () => void {
  const [, name = '', version] = modelReferencePattern.exec(reference) ?? []
  return server.deepwatch.service().registry.hold(name, Number(version))
}

/** The answer of a job when it is over. A client that leaves is not waited for; its job goes on. */
async function awaitResult(jobs: Jobs, job: Job, { work: { signal } }: FastifyRequest): Promise<Answer> {
  signal.throwIfAborted()
  const left = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  await Promise.race([job.settled, left])
  if (job.record.state === 'interrupted')
    throw new DeepWatchError('shutting_down', 'The service stopped before the answer was complete.')
  return jobs.result(job)
}

/** Digests of a key, which belongs to a token, and of its request: route, form, settings, bytes of the upload. */
function digests(request: FastifyRequest, key: string, { settings, upload }: Intake<unknown>) {
  const owner = request.caller?.name ?? null
  const asked = [request.method, request.route.url, request.form, settings, upload?.digest ?? null]
  return { id: digestOf([owner, key]), request: digestOf([owner, ...asked]) }
}
