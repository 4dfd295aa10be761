/** `deepwatch evaluate`: how good the flags of a model are on labelled rows. */
import { evaluateSettings } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { givenTelemetry } from './given.ts'
import { withModel, withTelemetry } from './session.ts'
import { evaluationTable } from './summary.ts'

export async function run(call: Call): Promise<number> {
  const evaluation = await withModel(call, async (home, model) => {
    const settings = call.check(evaluateSettings, { ...call.settings, model })
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, (service, upload) =>
      service.evaluation.evaluate({ ...settings, source: telemetry.source }, upload, call.work),
    )
  })
  call.work.progress.end()
  await call.print(call.isOn('json') ? `${JSON.stringify(evaluation)}\n` : evaluationTable(evaluation))
  return 0
}
