// The walls and floors of the house; `.ci/imports.mjs` runs them, and `ARCHITECTURE.md` says why they stand where they do.

const { readdirSync } = require('node:fs')

/**
 * Top to bottom. A module imports from its own line and from the lines below. A name is a room, that is a folder with an `index.ts`
 * and its sub-rooms, or a file of `src/` or `workers/` that belongs to no room.
 */
const floors = [
  ['src/main', 'src/cli', 'workers/detect', 'workers/draw', 'workers/unzstd', 'workers/writer'],
  ['workers/reader'],
  ['src/serve'],
  ['src/app'],
  ['routes'],
  ['src/http'],
  ['src/service'],
  ['src/training'],
  ['src/reporting'],
  ['src/scoring'],
  ['src/history'],
  ['src/aggregate'],
  ['src/pool'],
  ['workers/messages'],
  ['src/telemetry'],
  ['src/reader', 'src/jobs'],
  ['src/registry'],
  ['src/sources', 'src/storage', 'src/observe'],
  ['src/schemas'],
  ['src/detectors', 'src/generate'],
  ['src/json', 'src/time', 'src/formats', 'src/packing', 'src/config'],
  ['src/errors', 'src/flow', 'src/nearest', 'src/places', 'src/software', 'src/work', 'src/kernels'],
]

/** Programs are started, never imported. */
const programs = '^(src/(main|cli)|workers/(detect|draw|reader|unzstd|writer))\\.ts$'

/** Who alone may import a package that should not spread. */
const owners = {
  '@duckdb': ['workers/reader/database'],
  '@resvg': ['src/reporting/page'],
  vega: ['src/reporting/charts'],
  'vega-lite': ['src/reporting/charts'],
  piscina: ['src/pool', 'src/reporting'],
  fastify: ['src/app', 'src/http', 'routes'],
  'prom-client': ['src/observe'],
  zstddec: ['workers/unzstd'],
}

const pathOf = (names) => `^(${names.join('|')})(/|\\.ts$)`

/** Every folder below `src/` and `workers/`, and `routes/`. */
const rooms = [
  'routes',
  ...['src', 'workers'].flatMap((top) =>
    readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`),
  ),
]

const walls = rooms.map((room) => ({
  name: `into-${room.replaceAll('/', '-')}-through-its-index`,
  from: { pathNot: `^${room}/[^/]+$` },
  to: { path: `^${room}/[^/]+$`, pathNot: '/index\\.ts$' },
}))

const levels = floors.flatMap((floor, level) => {
  const above = floors.slice(0, level).flat()
  const beside = (name) => floor.filter((other) => other !== name)
  return floor.map((name) => ({
    name: `nothing-above-${name.replace('/', '-')}`,
    comment: 'Imports point down, and rooms of one floor do not know each other.',
    from: { path: pathOf([name]) },
    to: { path: pathOf([...above, ...(level === floors.length - 1 ? [] : beside(name))]) },
  }))
})

module.exports = {
  floors,
  forbidden: [
    { name: 'no-circle', from: {}, to: { circular: true } },
    ...walls,
    ...levels.filter(({ to }) => to.path !== pathOf([])),
    { name: 'kernels-know-nothing', from: { path: '^src/kernels/' }, to: { pathNot: '^src/kernels/' } },
    {
      name: 'programs-are-started',
      from: {},
      to: { path: programs },
    },
    ...Object.entries(owners).map(([name, rooms]) => ({
      name: `${name.replace('@', '')}-has-one-place`,
      from: { path: '^(src|workers|routes)/', pathNot: pathOf(rooms) },
      to: { path: `node_modules/${name}/`, dependencyTypesNot: ['type-only'] },
    })),
    {
      name: 'no-drawer-for-everything',
      from: {},
      to: { path: '(^|/)(utils|common|helpers|lib)(/|\\.ts$)', pathNot: 'node_modules' },
    },
  ].map((rule) => ({ severity: 'error', ...rule })),
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
