/**
 * Bundles what is started: each program of the package, and each of its threads, reads a few files instead of some hundred, which is
 * most of the time that a short command or a new thread takes. `tsc` has compiled the same modules before, one by one, for the
 * tests and the benches; the programs among them are replaced.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'rolldown'

/** The reading process is started again and again: a bundle of its own, so that it loads three files. */
const reader = ['workers/reader']
const others = ['src/main', 'src/cli', 'workers/detect', 'workers/draw', 'workers/unzstd', 'workers/writer']

const BINDING = '@duckdb/node-bindings'
const ONE_BINDING = '\0one-binding.cjs'
/** Packages that look for files beside their own: native code, threads, pages. */
const staying = /^(?:@duckdb|@resvg|@fastify)\/|^(?:fastify|piscina|pino)$/

/**
 * The binding asks Node for a whole diagnostic report to learn which C library there is, 6 to 9 ms of each start of a reading process.
 * Where there is no musl it is glibc.
 */
const bindingText = `
  const { readdirSync } = require('node:fs')
  const isGlibc = () => process.platform === 'linux' && !readdirSync('/lib').some((name) => name.startsWith('ld-musl-'))
  const find = () => {
    try {
      return isGlibc() ? require('${BINDING}-linux-' + process.arch + '/duckdb.node') : require('${BINDING}')
    } catch {
      return require('${BINDING}')
    }
  }
  module.exports = find()
`

/** DuckDB's client library is bundled, its binding is not; 83 of its files ask for that, which Node is slow at: so one asks for all. */
const oneBinding = {
  name: 'one-binding',
  resolveId: (id, importer) => (id === BINDING && importer !== ONE_BINDING ? ONE_BINDING : null),
  load: (id) => (id === ONE_BINDING ? bindingText : null),
}
const isExternal = (id, importer) =>
  id === BINDING ? importer === ONE_BINDING : id !== '@duckdb/node-api' && staying.test(id)

const bundled = new Map([...(await bundle(others, '')), ...(await bundle(reader, 'reader-'))])

put(bundled)
removeStale(['src', 'routes', 'workers', 'test', 'bench'])
// What `npm start` compares with the sources.
writeFileSync('dist/.built', '')

/** The files of these programs by their names; those they share begin with `prefix`. */
async function bundle(programs, prefix) {
  const { output } = await build({
    input: Object.fromEntries(programs.map((name) => [name, `${name}.ts`])),
    platform: 'node',
    external: isExternal,
    plugins: [oneBinding],
    write: false,
    output: {
      dir: 'dist',
      format: 'esm',
      entryFileNames: '[name].js',
      // As far below the package as the programs: what is looked for beside a module is found from here, too.
      chunkFileNames: `chunks/${prefix}[name].js`,
      // A command reads its schemas before anything else: without this they are spread over what else uses them, the service included.
      codeSplitting: {
        groups: [
          { name: 'errors', test: /src\/(?:errors|nearest)\.ts/, priority: 1 },
          { name: 'schemas', test: /src\/schemas\// },
        ],
      },
    },
  })
  return output.map((file) => [file.fileName, file.type === 'chunk' ? file.code : file.source])
}

/** Removes what was compiled from a source that was moved or deleted: a test would still run. */
function removeStale(folders) {
  const compiled = folders.filter((name) => existsSync(join('dist', name)))
  for (const name of compiled.flatMap((folder) =>
    readdirSync(join('dist', folder), { recursive: true }).map((each) => join(folder, each)),
  )) {
    const source = name.replace(/\.js(\.map)?$/, '.ts')
    if (source !== name && !existsSync(source)) rmSync(join('dist', name))
  }
}

/** Writes what differs and removes what is no more: a service that runs from here finds its files at every moment. */
function put(files) {
  for (const [name, text] of files) {
    const path = join('dist', name)
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.tmp`, text)
    renameSync(`${path}.tmp`, path)
  }
  for (const name of readdirSync(join('dist', 'chunks'))) {
    if (!files.has(`chunks/${name}`)) rmSync(join('dist', 'chunks', name))
  }
}
