/** Telemetry for the benches, made in processes of their own, so that their memory is not ours. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../src/cli.js', import.meta.url))

/** Writes a Parquet file of a generated fleet, always the same for the same size. */
export function generate(path: string, { rows, hosts }: { readonly rows: number; readonly hosts: number }): void {
  const fleet = ['--rows', String(rows), '--hosts', String(hosts), '--seed', '1']
  const made = spawnSync(process.execPath, [cli, 'generate', ...fleet, '--out', path, '--quiet'], { stdio: 'inherit' })
  if (made.status !== 0) throw new Error('the telemetry could not be made')
}

/** Writes a Parquet file of a timestamp a second, `ts`, and independent normal doubles, `m0`, `m1`, ...; always the same for the same size. */
export function generateNormal(
  path: string,
  { rows, features }: { readonly rows: number; readonly features: number },
): void {
  const uniform = (n: number) => `hash(i * ${2 * features} + ${n}) % 1000003`
  const columns = Array.from(
    { length: features },
    (_, n) =>
      `sqrt(-2 * ln((${uniform(n)} + 1) / 1000004.0)) * cos(2 * pi() * (${uniform(n + features)}) / 1000003.0) as m${n}`,
  )
  const sql = `copy (select timestamp '2026-01-01' + interval (i) second as ts, ${columns.join(', ')} from range(${rows}) t(i)) to '${path}' (format parquet)`
  const code = `import('@duckdb/node-api').then(async ({ DuckDBInstance }) => { const c = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect(); await c.run(process.argv[1]) })`
  const made = spawnSync(process.execPath, ['-e', code, sql], { stdio: 'inherit' })
  if (made.status !== 0) throw new Error('the telemetry could not be made')
}
