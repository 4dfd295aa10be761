/** The models of a service, as `deepwatch models` uses them. */
import type { ModelSummary, ShownVersion } from '../../registry/index.ts'
import type { Call } from '../command.ts'
import type { ModelStore } from '../models.ts'
import { connect } from './client.ts'

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
