/** The models of a service, as `deepwatch models` uses them. */
import type { ModelSummary, ShownVersion } from '../registry/index.ts'
import type { Call } from './command.ts'
import { connect } from './remote-client.ts'

/** Where models are: a state folder, or a service. */
export interface ModelStore {
  list(): Promise<ModelSummary[]>
  model(name: string): Promise<ModelSummary>
  version(name: string, version: string): Promise<ShownVersion>
  serve(name: string, version: number): Promise<ModelSummary>
  /** One version, or the model with all of them where it is null. */
  remove(name: string, version: string | null): Promise<void>
}

export function remoteModels(call: Call): ModelStore {
  const remote = connect(call)
  const of = (name: string, version: string | null = null) =>
    `models/${name}${version === null ? '' : `/versions/${version}`}`
  return {
    list: () => remote.pages<ModelSummary>('models'),
    model: (name) => remote.json<ModelSummary>(of(name)),
    version: (name, version) => remote.json<ShownVersion>(of(name, version)),
    serve: (name, version) =>
      remote.json<ModelSummary>(`${of(name)}/serving`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ version }),
      }),
    async remove(name, version) {
      await remote.bytes(await remote.ask(of(name, version), { method: 'DELETE' }))
    },
  }
}
