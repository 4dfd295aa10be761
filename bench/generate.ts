/** Telemetry for the benches, made by the command line in a process of its own, so that its memory is not ours. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url))

/** Writes a Parquet file of a generated fleet, always the same for the same size. */
export function generate(path: string, { rows, hosts }: { readonly rows: number; readonly hosts: number }): void {
  const fleet = ['--rows', String(rows), '--hosts', String(hosts), '--seed', '1']
  const made = spawnSync(process.execPath, [cli, 'generate', ...fleet, '--out', path, '--quiet'], { stdio: 'inherit' })
  if (made.status !== 0) throw new Error('the telemetry could not be made')
}
