/** `deepwatch models`: what is in the state folder, and the few things that may be done to it. */
import { DeepWatchError } from '../errors.ts'
import type { ModelSummary } from '../registry/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { servingOf, splitReference } from './reference.ts'
import type { ModelStore } from './remote-models.ts'
import { isRemote } from './server.ts'
import { withService } from './session.ts'
import { table, toSecond } from './table.ts'
import { verbOf } from './verb.ts'

const verbs: Readonly<Record<string, (call: Call, store: ModelStore, reference: string) => Promise<unknown>>> = {
  async show(_, store, reference) {
    const { name, version } = splitReference(reference)
    return store.version(name, version ?? servingOf(await store.model(name)))
  },
  async serve(_, store, reference) {
    const { name, version } = splitReference(reference)
    if (version === null) throw wrong('models serve needs a version: NAME@V.')
    return store.serve(name, Number(version))
  },
  async rm(call, store, reference) {
    if (!call.isOn('yes')) throw wrong(`models rm removes ${reference} for good; say so with --yes.`)
    const { name, version } = splitReference(reference)
    await store.remove(name, version)
    return { removed: reference }
  },
}

export async function run(call: Call): Promise<number> {
  const { verb, operand: reference } = verbOf(call, ['list', ...Object.keys(verbs)])
  const use = async (store: ModelStore) =>
    reference === null ? { models: await store.list() } : verbs[verb]!(call, store, reference)
  const answer = isRemote(call)
    ? await use((await import('./remote-models.ts')).remoteModels(call))
    : await withService(call, { home: call.text('home') }, (service) => use(localModels(service)))
  if (call.isOn('json') || verb === 'show')
    await call.print(`${JSON.stringify(answer, null, call.isOn('json') ? 0 : 2)}\n`)
  else if (verb === 'list') await call.print(modelTable((answer as { models: ModelSummary[] }).models))
  else call.tell(verb === 'rm' ? `removed ${reference}` : `${reference} serves`)
  return 0
}

function localModels({ models }: Service): ModelStore {
  return {
    list: async () => models.list({}).models,
    model: async (name) => models.model(name),
    version: async (name, version) => models.version(name, version),
    serve: (name, version) => models.serve(name, version),
    remove: (name, version) => (version === null ? models.removeModel(name) : models.removeVersion(name, version)),
  }
}

function modelTable(models: readonly ModelSummary[]): string {
  if (models.length === 0) return 'no models yet\n'
  const rows = models.map(({ name, versions, serving, quarantined, updatedAt }) => [
    name,
    String(versions.length),
    serving === null ? '-' : `@${serving}`,
    toSecond(updatedAt),
    quarantined.length > 0 ? `damaged: ${quarantined.join(', ')}` : '',
  ])
  return table([['model', 'versions', 'serving', 'trained', ''], ...rows])
}

const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)
