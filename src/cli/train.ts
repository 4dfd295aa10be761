/** `deepwatch train`: a new version of a model, in the state folder or of a service. */
import { type TrainSettings, trainSettings, type VersionDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { withDetector } from './detector.ts'
import { givenTelemetry, isRemote } from './given.ts'
import { workThere } from './remote.ts'
import { withTelemetry } from './session.ts'
import { tellTraining } from './summary.ts'

export async function run(call: Call): Promise<number> {
  const given = withDetector(call.settings)
  const settings = call.check(trainSettings, given)
  const document = isRemote(call)
    ? await workThere<VersionDocument>(call, 'train', given)
    : await trainHere(call, settings)
  call.work.progress.end()
  if (call.isOn('json')) await call.printJson(document)
  else tellTraining(call, document)
  return 0
}

async function trainHere(call: Call, settings: TrainSettings): Promise<VersionDocument> {
  const telemetry = await givenTelemetry(call)
  return withTelemetry(call, call.text('home'), telemetry, (service, upload) =>
    service.training.train({ ...settings, source: telemetry.source }, upload, call.work),
  )
}
