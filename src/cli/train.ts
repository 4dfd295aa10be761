/** `deepwatch train`: a new version of a model in the state folder. */
import { trainSettings } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { withDetector } from './detector.ts'
import { givenTelemetry } from './given.ts'
import { withTelemetry } from './session.ts'
import { tellTraining } from './summary.ts'

export async function run(call: Call): Promise<number> {
  const settings = call.check(trainSettings, withDetector(call.settings))
  const telemetry = await givenTelemetry(call)
  const document = await withTelemetry(call, call.text('home'), telemetry, (service, upload) =>
    service.training.train({ ...settings, source: telemetry.source }, upload, call.work),
  )
  call.work.progress.end()
  if (call.isOn('json')) await call.print(`${JSON.stringify(document)}\n`)
  else tellTraining(call, document)
  return 0
}
