/** The labelled sets that quality is judged on. Labels are for judging alone. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Matrix } from '../matrix.ts'

/** One host, series or table: what is learnt from, and what is scored and judged. */
export interface LabelledSet {
  readonly family: string
  readonly name: string
  readonly train: Matrix
  readonly test: Matrix
  /** Epoch microseconds of the rows of `train`, then of `test`; absent when the source has no timestamp. */
  readonly times?: Float64Array | undefined
  /** 1 for each row of `test` that is an anomaly, else 0. */
  readonly labels: Uint8Array
}

/** Columns that say something about a row but are not measured. */
const roles = new Set([
  'timestamp',
  'host',
  'split',
  'label',
  'changepoint',
  'experiment',
  'channel',
  'spacecraft',
  'step',
])

interface Table {
  readonly rows: number
  readonly names: readonly string[]
  column(name: string): readonly unknown[]
}

async function read(sql: string): Promise<Table> {
  const instance = await DuckDBInstance.create()
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(sql)
  const names = reader.columnNames()
  const columns = reader.getColumns()
  return { rows: reader.currentRowCount, names, column: (name) => columns[names.indexOf(name)]! }
}

function matrixOf(table: Table, features: readonly string[], from: number, to: number): Matrix {
  const columns = features.map((name) => Float64Array.from(table.column(name).slice(from, to), Number))
  return { rows: to - from, columns }
}

function timesOf(table: Table, from: number, to: number): Float64Array | undefined {
  if (!table.names.includes('timestamp')) return undefined
  return Float64Array.from(table.column('timestamp').slice(from, to), (time) =>
    Number((time as { micros: bigint }).micros),
  )
}

/** Runs of equal values of a column, in order: [value, from, to). */
function runs(values: readonly unknown[]): [string, number, number][] {
  const found: [string, number, number][] = []
  for (let from = 0, to = 0; from < values.length; from = to) {
    for (to = from; to < values.length && values[to] === values[from]; ) to++
    found.push([String(values[from]), from, to])
  }
  return found
}

const labelsOf = (table: Table, from: number, to: number) =>
  Uint8Array.from(table.column('label').slice(from, to), (label) => (label === true ? 1 : 0))

const parquet = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.parquet'))
    .sort()

/** Tables of independent rows: fitted to all rows, the same rows are judged. */
export async function readTables(root: string, maxRows: number): Promise<LabelledSet[]> {
  const sets: LabelledSet[] = []
  for (const file of parquet(join(root, 'adbench'))) {
    const table = await read(`from read_parquet('${join(root, 'adbench', file)}')`)
    if (table.rows > maxRows) continue
    const features = table.names.filter((name) => name !== 'label')
    const matrix = matrixOf(table, features, 0, table.rows)
    const labels = labelsOf(table, 0, table.rows)
    sets.push({ family: 'adbench', name: file.replace('.parquet', ''), train: matrix, test: matrix, labels })
  }
  return sets
}

/** Hosts with many metrics: fitted to the earlier rows, the later ones are judged. */
export async function readHosts(root: string, family: 'asd' | 'jumpstarter' | 'smd'): Promise<LabelledSet[]> {
  const sets: LabelledSet[] = []
  for (const file of parquet(join(root, family))) {
    const path = join(root, family, file)
    const table = await read(`from read_parquet('${path}') order by split = 'test', timestamp`)
    sets.push(splitSet(family, file.replace('.parquet', ''), table, 0, table.rows))
  }
  return sets
}

function splitSet(family: string, name: string, table: Table, from: number, to: number): LabelledSet {
  const features = table.names.filter((column) => !roles.has(column))
  const middle = from + table.column('split').slice(from, to).indexOf('test')
  return {
    family,
    name,
    train: matrixOf(table, features, from, middle),
    test: matrixOf(table, features, middle, to),
    times: timesOf(table, from, to),
    labels: labelsOf(table, middle, to),
  }
}

/** Spacecraft channels, each split like a host. */
export async function readChannels(root: string): Promise<LabelledSet[]> {
  const path = join(root, 'smap', 'smap_dev.parquet')
  const table = await read(`from read_parquet('${path}') order by channel, split = 'test', step`)
  return runs(table.column('channel')).map(([name, from, to]) => splitSet('smap', name, table, from, to))
}

/** Runs of a test bench: the first 400 rows of each are its normal part. */
export async function readBenchRuns(root: string): Promise<LabelledSet[]> {
  const normalRows = 400
  const path = join(root, 'skab', 'skab_dev.parquet')
  const table = await read(`from read_parquet('${path}') order by experiment, timestamp`)
  const features = table.names.filter((column) => !roles.has(column))
  return runs(table.column('experiment'))
    .map(([name, from, to]) => {
      const middle = from + normalRows
      const train = matrixOf(table, features, from, middle)
      const test = matrixOf(table, features, middle, to)
      return { family: 'skab', name, train, test, times: timesOf(table, from, to), labels: labelsOf(table, middle, to) }
    })
    .filter((set) => set.labels.includes(1))
}

/** One metric over time. */
export interface Series {
  readonly family: string
  readonly name: string
  /** Values in the order of time; what the source lacks is the value before. */
  readonly values: Float64Array
  readonly times: Float64Array
  readonly labels: Uint8Array
}

/** Single metrics of cloud services. */
export async function readSeries(root: string): Promise<Series[]> {
  const path = join(root, 'cloud_monitoring', 'cloud_monitoring_dev.parquet')
  const table = await read(`from read_parquet('${path}') order by series, timestamp`)
  return runs(table.column('series')).map(([name, from, to]) => {
    const values = Float64Array.from(table.column('value').slice(from, to), (value) =>
      value === null ? Number.NaN : Number(value),
    )
    let last = values.find((value) => !Number.isNaN(value)) ?? 0
    for (let i = 0; i < values.length; i++) last = values[i] = Number.isNaN(values[i]) ? last : values[i]!
    return {
      family: 'cloud_monitoring',
      name,
      values,
      times: timesOf(table, from, to)!,
      labels: labelsOf(table, from, to),
    }
  })
}
