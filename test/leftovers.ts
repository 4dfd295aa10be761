/**
 * Runs once around all test files: they make their temporary folders below one of this run, and whoever leaves something there fails the
 * run. It goes in any case.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'deepwatch-tests-'))
  process.env['TMPDIR'] = folder
  // Newer releases of npm keep their compiled code in the temporary folder.
  process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'
  return async () => {
    const left = await readdir(folder)
    await rm(folder, { recursive: true, force: true })
    if (left.length === 0) return
    // What is thrown here is printed and changes nothing else.
    process.exitCode = 1
    throw new Error(`tests left behind: ${left.join(', ')}`)
  }
}
