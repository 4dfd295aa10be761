/** A report that a service draws. */
import type { ModelSummary } from '../registry/index.ts'
import type { ReportFormat } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { servingOf, splitReference } from './reference.ts'
import { connect } from './remote-client.ts'
import { upload } from './remote-upload.ts'

/** Of the file that the call names, or of what a training saw where it names none. Errors: those of `upload` and of the service. */
export async function reportThere(
  call: Call,
  settings: Readonly<Record<string, unknown>> & { readonly model: string; readonly format: ReportFormat },
): Promise<{ model: string; version: number; body: Buffer }> {
  const remote = connect(call)
  const ofVersion = async () => {
    const { name, version } = splitReference(settings.model)
    const chosen = version ?? servingOf(await remote.json<ModelSummary>(`models/${name}`))
    return remote.ask(`models/${name}/versions/${chosen}/report?format=${settings.format}`, { isWork: true })
  }
  const answer = await (call.operands.length === 0 ? ofVersion() : upload(call, remote, 'report', settings, {}))
  const [model = '', version] = String(answer.headers['deepwatch-model']).split('@')
  return { model, version: Number(version), body: await remote.bytes(answer) }
}
