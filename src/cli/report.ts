/** `deepwatch report`: the picture of a scored source, or of what a training saw. */
import { DeepWatchError } from '../errors.ts'
import { modelReferencePattern, reportSettings } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { chooseFormat, refuseBinary, reportFormats } from './format.ts'
import { givenTelemetry } from './given.ts'
import { type Output, openTarget, toFile, toStdout } from './output.ts'
import { withModel, withService, withTelemetry } from './session.ts'

export async function run(call: Call): Promise<number> {
  const out = call.text('out') ?? '-'
  const format = chooseFormat(call, reportFormats, 'html')
  if (out === '-') refuseBinary(call, format)
  else await openTarget(out)
  if (out === '-' && call.isOn('json')) {
    throw new DeepWatchError(
      'conflicting_parameter',
      '--json: the report itself goes to standard output; name a file with --out.',
    )
  }
  const { report, drawn } = await withModel(call, async (home, model) => {
    const draw = async (made: Promise<Awaited<ReturnType<Service['reporting']['ofVersion']>>>) => {
      const report = await made
      return { report, drawn: await report.render(format) }
    }
    if (call.operands.length === 0) {
      call.check(reportSettings, { ...call.settings, model })
      const unused = Object.keys(call.settings)[0]
      if (unused !== undefined)
        throw new DeepWatchError('unused_setting', `${unused}: a report without a file is of the training.`)
      return withService(call, { home }, (service) => draw(ofVersion(call, service, model)))
    }
    const settings = call.check(reportSettings, { ...call.settings, model })
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, (service, upload) =>
      draw(service.reporting.ofSource({ ...settings, source: telemetry.source }, upload, call.work)),
    )
  })
  call.work.progress.end()
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  try {
    await output.write(drawn.body)
    await output.finish()
  } finally {
    await output.discard()
  }
  const { model, version } = report
  if (call.isOn('json'))
    await call.print(`${JSON.stringify({ model, version, format, bytes: drawn.body.length, out })}\n`)
  else if (out !== '-') call.tell(`${model}@${version}: ${out}`)
  return 0
}

function ofVersion({ work }: Call, { models, reporting }: Service, reference: string) {
  const [, name = '', version] = modelReferencePattern.exec(reference) ?? []
  const { serving, newest } = models.model(name)
  return reporting.ofVersion(name, version ?? String(serving ?? newest), work)
}
