/** `deepwatch report`: the picture of a scored source, or of what a training saw. */
import type { ModelSummary } from '../registry/index.ts'
import { type ReportFormat, type ReportSettings, reportSettings } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Call } from './command.ts'
import { chooseFormat, reportFormats } from './format.ts'
import { givenTelemetry, isRemote, namedModel, servingOf, splitReference } from './given.ts'
import { openTarget, writing } from './output.ts'
import { answeredBy, connect, upload } from './remote.ts'
import { withModel, withService, withTelemetry } from './session.ts'
import { conflicting, unused } from './usage.ts'

export async function run(call: Call): Promise<number> {
  const out = call.text('out') ?? '-'
  const format = chooseFormat(call, reportFormats, 'html')
  if (out !== '-') await openTarget(out)
  if (out === '-' && call.isOn('json'))
    throw conflicting('--json: the report itself goes to standard output; name a file with --out.')
  const { model, version, body } = isRemote(call) ? await drawThere(call, format) : await drawHere(call, format)
  call.work.progress.end()
  await writing(call, (write) => write(body))
  if (call.isOn('json')) await call.printJson({ model, version, format, bytes: body.length, out })
  else if (out !== '-') call.tell(`${model}@${version}: ${out}`)
  return 0
}

/** The settings of a call. Error: `unused_setting` for any beside the model where no file is given. */
function checkCall(call: Call, model: string): ReportSettings {
  const settings = call.check(reportSettings, { ...call.settings, model })
  const [needless] = call.operands.length === 0 ? Object.keys(call.settings) : []
  if (needless === undefined) return settings
  throw unused(`${needless}: a report without a file is of the training.`)
}

async function drawThere(call: Call, format: ReportFormat) {
  const model = namedModel(call)
  checkCall(call, model)
  const remote = connect(call)
  const ofVersion = async () => {
    const { name, version } = splitReference(model)
    const chosen = version ?? servingOf(await remote.json<ModelSummary>(`models/${name}`))
    return remote.ask(`models/${name}/versions/${chosen}/report?format=${format}`, { isWork: true })
  }
  const ofFile = () => upload(call, remote, 'report', { ...call.settings, model, format })
  const answer = await (call.operands.length === 0 ? ofVersion() : ofFile())
  return { ...answeredBy(answer), body: await remote.bytes(answer) }
}

function drawHere(call: Call, format: ReportFormat) {
  const { work } = call
  return withModel(call, async (home, reference) => {
    const settings = checkCall(call, reference)
    const draw = async (made: ReturnType<Service['reporting']['ofVersion']>) => {
      const { model, version, render } = await made
      return { model, version, body: (await render(format)).body }
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
