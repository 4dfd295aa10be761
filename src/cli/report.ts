/** `deepwatch report`: the picture of a scored source, or of what a training saw. */
import { DeepWatchError } from '../errors.ts'
import { type ReportFormat, type ReportSettings, reportSettings } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { chooseFormat, refuseBinary, reportFormats } from './format.ts'
import { givenTelemetry } from './given.ts'
import { type Output, openTarget, toFile, toStdout } from './output.ts'
import { servingOf, splitReference } from './reference.ts'
import { isRemote } from './server.ts'
import { namedModel, withModel, withService, withTelemetry } from './session.ts'

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
  const { model, version, body } = isRemote(call) ? await drawThere(call, format) : await drawHere(call, format)
  call.work.progress.end()
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  try {
    await output.write(body)
    await output.finish()
  } finally {
    await output.discard()
  }
  if (call.isOn('json')) await call.print(`${JSON.stringify({ model, version, format, bytes: body.length, out })}\n`)
  else if (out !== '-') call.tell(`${model}@${version}: ${out}`)
  return 0
}

interface Drawn {
  readonly model: string
  readonly version: number
  readonly body: Uint8Array
}

/** The settings of a call. Error: `unused_setting` for any beside the model where no file is given. */
function checkCall(call: Call, model: string): ReportSettings {
  const settings = call.check(reportSettings, { ...call.settings, model })
  const unused = call.operands.length === 0 ? Object.keys(call.settings)[0] : undefined
  if (unused === undefined) return settings
  throw new DeepWatchError('unused_setting', `${unused}: a report without a file is of the training.`)
}

async function drawThere(call: Call, format: ReportFormat): Promise<Drawn> {
  const model = namedModel(call)
  checkCall(call, model)
  const { reportThere } = await import('./remote-report.ts')
  return reportThere(call, { ...call.settings, model, format })
}

function drawHere(call: Call, format: ReportFormat): Promise<Drawn> {
  const { work } = call
  return withModel(call, async (home, reference) => {
    const settings = checkCall(call, reference)
    const draw = async (made: Promise<Awaited<ReturnType<Service['reporting']['ofVersion']>>>) => {
      const report = await made
      const { body } = await report.render(format)
      return { model: report.model, version: report.version, body }
    }
    if (call.operands.length === 0) {
      return withService(call, { home }, ({ models, reporting }) => {
        const { name, version } = splitReference(reference)
        return draw(reporting.ofVersion(name, version ?? servingOf(models.model(name)), work))
      })
    }
    const telemetry = await givenTelemetry(call)
    return withTelemetry(call, home, telemetry, (service, upload) =>
      draw(service.reporting.ofSource({ ...settings, source: telemetry.source }, upload, work)),
    )
  })
}
