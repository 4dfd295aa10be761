/** The table of commands. It loads nothing but itself: `deepwatch --help` has to be there at once. */
import type { Command } from './command.ts'
import { switchFlag, textFlag } from './flag.ts'
import { generateFormats, reportFormats, scoreFormats } from './format.ts'

const home = textFlag('home', 'DIR', 'State folder; default DEEPWATCH_HOME or ./data.')
const server = textFlag('server', 'URL', 'Ask this service instead of the state folder.')
const token = textFlag('token', 'TOKEN', 'For the service; default DEEPWATCH_TOKEN.')
const json = switchFlag('json', 'One JSON document on standard output.')
const quiet = switchFlag('quiet', 'No progress and no summary on standard error.')
const asking = [server, token, home, json, quiet]
const out = textFlag('out', 'FILE', 'Where to; - or none is standard output.')
const format = (formats: readonly string[], otherwise: string) =>
  textFlag('format', formats.join('|'), `By default the ending of --out, else ${otherwise}.`, formats)
const reference = textFlag('model', 'MODEL', 'NAME, NAME@3 or the path of a model file.')

const trainSchema = async () => (await import('../schemas/index.ts')).trainSettings
const scoreSchema = async () => (await import('../schemas/index.ts')).scoreSettings

export const commands: readonly Command[] = [
  {
    name: 'run',
    summary: 'the whole pipeline: file in; model, scores, chart and report out',
    operands: 'FILE… --out DIR',
    example: 'deepwatch run web.parquet --out out --label label --entity host',
    own: [
      textFlag('out', 'DIR', 'Folder for the five files; created when absent.'),
      textFlag('model', 'NAME', 'What to call the model; by default after the first file.'),
      switchFlag('force', 'Replace files of an earlier run.'),
      json,
      quiet,
    ],
    schema: trainSchema,
    without: ['model', 'serve', 'keep'],
    explained: ['label', 'entity', 'timestamp', 'features', 'missing', 'detector', 'seed', 'contamination'],
    load: () => import('./run.ts'),
  },
  {
    name: 'train',
    summary: 'train a new version of a model',
    operands: 'FILE… --model NAME',
    example: 'deepwatch train web.parquet --model web --label label --seed 42',
    own: asking,
    schema: trainSchema,
    explained: ['model', 'label', 'entity', 'timestamp', 'features', 'missing', 'detector', 'seed', 'contamination'],
    load: () => import('./train.ts'),
  },
  {
    name: 'score',
    summary: 'score rows with a model',
    operands: 'FILE… --model MODEL',
    example: 'zcat today.csv.gz | deepwatch score - --model web --format csv | head',
    own: [reference, out, format(scoreFormats, 'ndjson'), ...asking],
    schema: scoreSchema,
    without: ['model'],
    explained: ['return', 'include', 'entity', 'timestamp', 'window-from', 'window-to'],
    load: () => import('./score.ts'),
  },
  {
    name: 'evaluate',
    summary: 'tell how good the flags are on labelled rows',
    operands: 'FILE… --model MODEL',
    example: 'deepwatch evaluate today.parquet --model web --label label',
    own: [reference, ...asking],
    schema: async () => (await import('../schemas/index.ts')).evaluateSettings,
    without: ['model'],
    explained: ['label', 'entity', 'timestamp', 'window-from', 'window-to'],
    load: () => import('./evaluate.ts'),
  },
  {
    name: 'report',
    summary: 'draw the report of a scored source, or of a model alone',
    operands: '[FILE…] --model MODEL',
    example: 'deepwatch report today.parquet --model web --out report.html',
    own: [reference, out, format(reportFormats, 'html'), ...asking],
    schema: async () => (await import('../schemas/index.ts')).reportSettings,
    without: ['model', 'format'],
    explained: ['label', 'entity', 'timestamp', 'window-from', 'window-to'],
    load: () => import('./report.ts'),
  },
  {
    name: 'models',
    summary: 'list, show, choose or remove models',
    operands: '[show NAME[@V] | serve NAME@V | rm NAME[@V] --yes]',
    example: 'deepwatch models show web@2',
    own: [switchFlag('yes', 'Really remove.'), ...asking],
    load: () => import('./models.ts'),
  },
  {
    name: 'jobs',
    summary: 'list, show or cancel jobs of a service, or take a result',
    operands: '[show ID | result ID | cancel ID] --server URL',
    example: 'deepwatch jobs --server http://127.0.0.1:8080',
    own: [server, token, textFlag('out', 'FILE', 'Where a result goes; - or none is standard output.'), json, quiet],
    load: () => import('./jobs.ts'),
  },
  {
    name: 'generate',
    summary: 'make labelled telemetry of a fleet',
    operands: '[--out FILE]',
    example: 'deepwatch generate --hosts 20 --days 30 --out fleet.parquet',
    own: [out, format(generateFormats, 'csv'), json, quiet],
    schema: async () => (await import('../schemas/index.ts')).generateSettings,
    explained: ['hosts', 'days', 'rows', 'interval', 'start', 'seed', 'incident-rate', 'incidents'],
    load: () => import('./generate.ts'),
  },
  {
    name: 'serve',
    summary: 'serve over HTTP',
    operands: '',
    example: 'deepwatch serve --port 9090 --home /var/lib/deepwatch',
    own: [
      textFlag('host', 'ADDRESS', 'Address to listen on; default HOST or 127.0.0.1.'),
      textFlag('port', 'N', 'Port to listen on; default PORT or 8080.'),
      home,
      textFlag('data-roots', 'A:B', 'Folders whose files clients may name.'),
      textFlag('log-level', 'LEVEL', 'Least level that is logged; default info.'),
      switchFlag('print-config', 'Print every setting with its origin, and end.'),
    ],
    load: () => import('./serve.ts'),
  },
  {
    name: 'openapi',
    summary: 'print the OpenAPI document as YAML',
    operands: '',
    example: 'deepwatch openapi > openapi.yaml',
    own: [],
    load: () => import('./openapi.ts'),
  },
  {
    name: 'completion',
    summary: 'print a completion script: bash, zsh or fish',
    operands: 'bash|zsh|fish',
    example: 'source <(deepwatch completion bash)',
    own: [],
    load: () => import('./completion.ts'),
  },
]
