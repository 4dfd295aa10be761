/** `deepwatch models`: what is in the state folder, and the few things that may be done to it. */
import { DeepWatchError } from '../errors.ts'
import type { ModelSummary } from '../registry/index.ts'
import { modelReferencePattern } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { show } from './output.ts'
import { withService } from './session.ts'

const verbs: Readonly<Record<string, (call: Call, service: Service, reference: string) => Promise<unknown>>> = {
  async show(_, { models }, reference) {
    const { name, version } = split(reference)
    const chosen = version ?? models.model(name).serving ?? models.model(name).newest
    return models.version(name, String(chosen))
  },
  async serve(_, { models }, reference) {
    const { name, version } = split(reference)
    if (version === null) throw wrong('models serve needs a version: NAME@V.')
    return models.serve(name, version)
  },
  async rm(call, { models }, reference) {
    if (!call.isOn('yes')) throw wrong(`models rm removes ${reference} for good; say so with --yes.`)
    const { name, version } = split(reference)
    if (version === null) await models.removeModel(name)
    else await models.removeVersion(name, String(version))
    return { removed: reference }
  },
}

export async function run(call: Call): Promise<number> {
  const [verb = 'list', reference, ...more] = call.operands
  const names = ['list', ...Object.keys(verbs)]
  if (!names.includes(verb)) throw wrong(`models knows no ${show(verb)}; there are ${names.join(', ')}.`)
  if (more.length > 0 || (verb === 'list') !== (reference === undefined))
    throw wrong(`models ${verb} takes ${verb === 'list' ? 'nothing' : 'one model'} more.`)
  const answer = await withService(call, { home: call.text('home') }, async (service) =>
    verb === 'list' ? listAll(service) : verbs[verb]!(call, service, reference!),
  )
  if (call.isOn('json') || verb === 'show')
    await call.print(`${JSON.stringify(answer, null, call.isOn('json') ? 0 : 2)}\n`)
  else if (verb === 'list') await call.print(table((answer as { models: ModelSummary[] }).models))
  else call.tell(verb === 'rm' ? `removed ${reference}` : `${reference} serves`)
  return 0
}

function listAll({ models }: Service): { models: ModelSummary[] } {
  return { models: models.list({}).models }
}

function table(models: readonly ModelSummary[]): string {
  if (models.length === 0) return 'no models yet\n'
  const rows = models.map(({ name, versions, serving, quarantined, updatedAt }) => [
    name,
    String(versions.length),
    serving === null ? '-' : `@${serving}`,
    updatedAt.replace(/\.\d+Z$/, 'Z'),
    quarantined.length > 0 ? `damaged: ${quarantined.join(', ')}` : '',
  ])
  const all = [['model', 'versions', 'serving', 'trained', ''], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function split(reference: string): { name: string; version: number | null } {
  const [, name, version] = modelReferencePattern.exec(reference) ?? []
  if (name === undefined) throw new DeepWatchError('invalid_id', `${show(reference)} is no model: NAME or NAME@V.`)
  return { name, version: version === undefined ? null : Number(version) }
}

const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)
