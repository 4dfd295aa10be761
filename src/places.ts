/** Where the files of the package lie: nothing else in it works out a path from where its own module is. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of `package.json`, with a slash at its end: the nearest one above this module, bundled or not. */
export const packageFolder: URL = nearestPackage(new URL('.', import.meta.url))

/** `package.json`. */
export const packageFile = new URL('package.json', packageFolder)

/** The SQL statements, one per file. */
export const sqlFolder = new URL('sql/', packageFolder)

/** The programs that run beside the service: threads are started by URL, processes by path. */
export const programs = {
  detect: new URL('dist/workers/detect.js', packageFolder),
  draw: new URL('dist/workers/draw.js', packageFolder),
  unzstd: new URL('dist/workers/unzstd.js', packageFolder),
  reader: fileURLToPath(new URL('dist/workers/reader.js', packageFolder)),
  writer: fileURLToPath(new URL('dist/workers/writer.js', packageFolder)),
} as const

function nearestPackage(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder
  const above = new URL('..', folder)
  if (above.href === folder.href) throw new Error('no package.json above the running module')
  return nearestPackage(above)
}
