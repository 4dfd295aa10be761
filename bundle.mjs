/**
 * Bundles what is started: each program of the package, and each of its threads, reads a few files instead of some hundred, which is
 * most of the time that a short command or a new thread takes. `tsc` has compiled the same modules before, one by one, for the
 * tests and the benches; the programs among them are replaced.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'rolldown'
import { compileOutline } from './dist/src/reporting/charts/compile.js'
import { preparedName } from './dist/src/reporting/charts/prepared.js'
import { usualOutlines } from './dist/src/reporting/page/usual.js'

const programs = ['src/main', 'src/cli', 'workers/detect', 'workers/draw', 'workers/reader', 'workers/writer']

/** Packages that look for files beside their own: native code, threads, pages. */
const staying = /^(?:@duckdb|@resvg|@fastify)\/|^(?:fastify|piscina|pino)$/

const { output } = await build({
  input: Object.fromEntries(programs.map((name) => [name, `${name}.ts`])),
  platform: 'node',
  external: staying,
  write: false,
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    // As far below the package as the programs: what is looked for beside a module is found from here, too.
    chunkFileNames: 'chunks/[name].js',
    sourcemap: true,
  },
})
const bundled = new Map(output.map((file) => [file.fileName, file.type === 'chunk' ? file.code : file.source]))

// Most charts are compiled now: it takes longer than drawing them, and the thread that draws need not load the compiler.
const charts = new Map()
for (const outline of await usualOutlines()) {
  charts.set(`charts/${preparedName(outline)}`, JSON.stringify(compileOutline(outline)))
}

put(new Map([...bundled, ...charts]))

/** Writes what differs and removes what is no more: a service that runs from here finds its files at every moment. */
function put(files) {
  for (const [name, text] of files) {
    const path = join('dist', name)
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.tmp`, text)
    renameSync(`${path}.tmp`, path)
  }
  for (const folder of ['chunks', 'charts']) {
    for (const name of readdirSync(join('dist', folder))) {
      if (!files.has(`${folder}/${name}`)) rmSync(join('dist', folder, name))
    }
  }
}
