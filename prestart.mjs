/** Before `npm start`: builds what is started, unless that is done and nothing changed since. Says so on standard error. */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'

/** Written when a build is complete: see `bundle.mjs`. */
const built = 'dist/.built'
const sources = ['src', 'routes', 'workers', 'bundle.mjs', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** The last change of a file, or of anything in a folder, in milliseconds. */
function newestIn(path) {
  if (!statSync(path).isDirectory()) return changed(path)
  return Math.max(changed(path), ...readdirSync(path, { recursive: true }).map((name) => changed(`${path}/${name}`)))
}

if (changed(built) > Math.max(...sources.map(newestIn))) {
  process.stderr.write('DeepWatch is built. Starting the service; its log follows.\n')
} else {
  process.stderr.write('Building DeepWatch, which takes some seconds. Then the service starts; its log follows.\n')
  const { status } = spawnSync('npm', ['run', '-s', 'build:package'], { stdio: ['ignore', 2, 2] })
  process.exitCode = status ?? 1
}
