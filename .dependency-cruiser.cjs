// Imports point down only: kernels < detectors < workers, and words < hands < use cases < doors < wiring.
// `.ci/imports.mjs` runs these rules and fails when it saw too few modules to have proved anything.
const never = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
})

const kernels = '^src/kernels/'
const detectors = '^src/detectors/'
const formats = '^src/formats/'
const words =
  '^src/(errors|config|metrics|json|json-body|json-table|json-number|row-table|time-zone|timestamps|log|software|work|answer)\\.ts$|^src/schemas/'
const hands =
  '^src/(sources|spool|paths|reader|pool|registry|artefact|home-lock|payload-cache|drawing|kept-reports)[a-z-]*\\.ts$|^src/reader/'
const useCases =
  '^src/(training|reporting|report-|jobs|scoring|score-stream|evaluation|telemetry|opening|models|json-(rows|cells|columns|span|derived))[a-z-]*\\.ts$'
const report = '^src/report/'
const routes = '^routes/'
const workers = '^workers/'
const wiring = '^src/(app|main|cli|serve)\\.ts$|^src/cli/'
const commandLine = '^src/cli/'
const generate = '^src/generate/'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'kernels-import-kernels-only', severity: 'error', from: { path: kernels }, to: { pathNot: kernels } },
    {
      name: 'detectors-look-down',
      severity: 'error',
      from: { path: detectors },
      to: { path: ['^src/', routes, workers], pathNot: [detectors, kernels, '^src/errors\\.ts$'] },
    },
    never('detectors-stay-pure', detectors, 'node_modules/(fastify|@duckdb|piscina|pino|prom-client)'),
    never('formats-stay-pure', formats, 'node_modules/(fastify|@duckdb)|^routes/|^workers/'),
    never('words-know-nobody', words, [useCases, hands, routes, workers, wiring].join('|')),
    never(
      'reports-are-drawn-from-facts',
      report,
      [
        hands,
        useCases,
        detectors,
        routes,
        workers,
        wiring,
        'node_modules/(fastify|@duckdb|piscina|pino|prom-client)',
      ].join('|'),
      'plain data in, bytes out',
    ),
    never('vega-lives-in-the-report', '^(src/(?!report/)|routes/|workers/)', 'node_modules/(vega|vega-lite|@resvg)/'),
    never('hands-do-not-call-up', hands, [useCases, routes, wiring].join('|')),
    never(
      'use-cases-know-no-transport',
      useCases,
      [routes, workers, wiring, 'node_modules/(fastify|@duckdb|piscina)'].join('|'),
    ),
    never(
      'routes-use-the-use-cases',
      routes,
      [hands, detectors, kernels, workers, wiring].join('|'),
      'a route calls one use case',
    ),
    never(
      'threads-know-no-service',
      '^workers/(detect|messages|draw)\\.ts$',
      'node_modules/(fastify|@duckdb|pino|prom-client)|^src/(config|metrics)\\.ts$|^routes/',
    ),
    never(
      'the-reader-knows-no-service',
      '^workers/reader',
      'node_modules/(fastify|piscina|pino|prom-client)|^src/(config|metrics)\\.ts$|^routes/',
    ),
    never('duckdb-lives-in-the-reading-process', '^(src|routes)/|^workers/(detect|messages)', 'node_modules/@duckdb'),
    never(
      'piscina-lives-in-the-pool',
      '^(src/(?!pool(-threads)?\\.ts)|routes/|workers/reader)',
      'node_modules/piscina',
    ),
    {
      name: 'generated-telemetry-is-numbers',
      severity: 'error',
      from: { path: generate },
      to: { pathNot: [generate, kernels] },
    },
    never(
      'the-command-line-is-a-door',
      commandLine,
      'node_modules/(@duckdb|piscina|fastify)|^src/kernels/|^routes/|^workers/(?!messages)',
      'it starts the service or the app; hands and use cases are reached through them',
    ),
    {
      name: 'nobody-calls-the-command-line',
      severity: 'error',
      from: { pathNot: ['^src/cli\\.ts$', commandLine] },
      to: { path: commandLine },
    },
    never('nobody-imports-main', '', '^src/(main|cli)\\.ts$'),
    never('no-drawer-for-everything', '', '(^|/)(utils|common|helpers|lib)(/|\\.ts$)'),
  ].map((rule) =>
    rule.name === 'no-drawer-for-everything' ? { ...rule, to: { ...rule.to, pathNot: 'node_modules' } } : rule,
  ),
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
