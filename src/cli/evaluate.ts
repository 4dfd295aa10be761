/** `deepwatch evaluate`: how good the flags of a model are on labelled rows. */
import { type Evaluation, evaluateSettings } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { givenTelemetry, isRemote, namedModel } from './given.ts'
import { workThere } from './remote.ts'
import { withModel, withTelemetry } from './session.ts'
import { evaluationTable } from './summary.ts'

export async function run(call: Call): Promise<number> {
  const evaluation = isRemote(call) ? await evaluateThere(call) : await evaluateHere(call)
  call.work.progress.end()
  if (call.isOn('json')) await call.printJson(evaluation)
  else await call.print(evaluationTable(evaluation))
  return 0
}

function evaluateThere(call: Call): Promise<Evaluation> {
  const given = { ...call.settings, model: namedModel(call) }
  call.check(evaluateSettings, given)
  return workThere<Evaluation>(call, 'evaluate', given)
}

function evaluateHere(call: Call): Promise<Evaluation> {
  return withModel(call, async (home, model) => {
    const settings = call.check(evaluateSettings, { ...call.settings, model })
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, (service, upload) =>
      service.evaluation.evaluate({ ...settings, source: telemetry.source }, upload, call.work),
    )
  })
}
