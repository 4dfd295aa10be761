/** `deepwatch models`: what is in the state folder or a service, and the few things that may be done to it. */
import type { ModelSummary, ShownVersion } from '../registry/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { isRemote, servingOf, splitReference, verbOf } from './given.ts'
import { connect } from './remote.ts'
import { withService } from './session.ts'
import { table, toSecond } from './text.ts'
import { wrong } from './usage.ts'

type ModelStore = ReturnType<typeof remoteModels>

const verbs: Readonly<Record<string, (call: Call, store: ModelStore, reference: string) => Promise<unknown>>> = {
  async list(_, store) {
    return { models: await store.list() }
  },
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
  const { verb, operand: reference } = verbOf(call, Object.keys(verbs))
  const use = (store: ModelStore) => verbs[verb]!(call, store, reference)
  const answer = isRemote(call)
    ? await use(remoteModels(call))
    : await withService(call, { home: call.text('home') }, (service) => use(localModels(service)))
  if (call.isOn('json') || verb === 'show') await call.printJson(answer, 2)
  else if (verb === 'list') await call.print(modelTable((answer as { models: ModelSummary[] }).models))
  else call.tell(verb === 'rm' ? `removed ${reference}` : `${reference} serves`)
  return 0
}

function remoteModels(call: Call) {
  const remote = connect(call)
  const path = (name: string, version: string) => `models/${name}/versions/${version}`
  return {
    list: () => remote.pages<ModelSummary>('models'),
    model: (name: string) => remote.json<ModelSummary>(`models/${name}`),
    version: (name: string, version: string) => remote.json<ShownVersion>(path(name, version)),
    serve: (name: string, version: number) =>
      remote.json<ModelSummary>(`models/${name}/serving`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ version }),
      }),
    /** One version, or the model with all of them where it is null. */
    remove: (name: string, version: string | null) =>
      remote.remove(version === null ? `models/${name}` : path(name, version)),
  }
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
