/**
 * How do time and memory grow with rows, features, trees, models in the registry and connections? Prints a table per
 * axis with the exponents, and writes bench/results/growth.json and growth.svg. An axis that is not named keeps what
 * an earlier run measured.
 *
 *   node dist/bench/growth/run.js [rows|features|trees|models|connections …] [--large]      --large: 100 million rows, too
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drawChart } from '../../src/reporting/charts/draw.ts'
import { describeMachine, printTable, resultPath, writeResult } from '../report.ts'
import { type Axis, type Point, slopeOf } from './axis.ts'
import { growthChart } from './chart.ts'
import { connections } from './connections.ts'
import { features, rows, trees } from './files.ts'
import { models } from './models.ts'

const axes: readonly Axis[] = [rows, features, trees, models, connections]
const names = process.argv.slice(2).filter((word) => word !== '--large')
const large = process.argv.includes('--large')
for (const name of names) {
  if (!axes.some((axis) => axis.name === name)) throw new Error(`there is no axis ${name}`)
}

interface Result {
  readonly machine: ReturnType<typeof describeMachine>
  readonly fixed: string
  readonly points: readonly Point[]
  readonly exponents: Readonly<Record<string, { expected: number; upperHalf: number; steps: readonly number[] }>>
}
type Results = Record<string, Result>

const folder = join(process.cwd(), 'bench', 'results')
const stored = resultPath('growth')
const before = existsSync(stored) ? (JSON.parse(readFileSync(stored, 'utf8')) as { axes: Results }).axes : {}

async function measure(axis: Axis): Promise<Result> {
  const started = performance.now()
  const points = await axis.run(large)
  const slopes = axis.measures.map(({ key, expected }) => [key, { expected, ...slopeOf(points, key) }] as const)
  console.log(`\n${axis.name} (${axis.fixed}), ${((performance.now() - started) / 1000).toFixed(0)} s`)
  // What one costs shows a bend at once: the figure divided by the size, where proportion is expected.
  const each = axis.measures.filter(({ expected }) => expected === 1)
  // What has no expectation, such as the share of refusals, stands behind what has one.
  const measuredKeys: string[] = axis.measures.map(({ key }) => key)
  const extra = Object.keys(points[0]!.figures).filter((key) => !measuredKeys.includes(key))
  const keys = [...measuredKeys, ...extra]
  const blank = [...extra, ...each].map(() => '')
  printTable([
    [axis.name, ...keys, ...each.map(({ key }) => `${key} each`)],
    ...points.map(({ size, figures }) => [
      size,
      ...keys.map((key) => figures[key]!.toPrecision(3)),
      ...each.map(({ key }) => (figures[key]! / size).toExponential(2)),
    ]),
    ['exponent', ...slopes.map(([, { upperHalf }]) => upperHalf.toFixed(2)), ...blank],
    ['expected', ...slopes.map(([, { expected }]) => expected), ...blank],
  ])
  return { machine: describeMachine(), fixed: axis.fixed, points, exponents: Object.fromEntries(slopes) }
}

const results: Results = { ...before }
for (const axis of axes) {
  if (names.length > 0 && !names.includes(axis.name)) continue
  results[axis.name] = await measure(axis)
  writeResult('growth', { axes: results })
}
const measured = axes.flatMap((axis) => (results[axis.name] ? [{ axis, points: results[axis.name]!.points }] : []))
writeFileSync(join(folder, 'growth.svg'), await drawChart(growthChart(measured), 'growth'))
