/** Where bench results go, and what machine they were measured on. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/** What a figure depends on beside the code. */
export function describeMachine() {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    threads: availableParallelism(),
    architecture: arch(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
    node: process.version,
  }
}

/** Where `writeResult` puts a result of this run-time: that of the oldest Node has the plain name, others say which they are. */
export function resultPath(name: string): string {
  const major = process.versions.node.split('.')[0]
  return join(process.cwd(), 'bench', 'results', `${name}${major === '20' ? '' : `-node${major}`}.json`)
}

/** Writes the result of a bench under the working folder, which is the package root. */
export function writeResult(name: string, result: object): void {
  const path = resultPath(name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`)
}

/** Prints rows of equal length as a table. */
export function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => String(row[c]).length)))
  for (const row of rows) console.log(row.map((cell, c) => String(cell).padEnd(widths[c]!)).join('  '))
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Standard deviation of a sample (divided by n - 1). */
export function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
