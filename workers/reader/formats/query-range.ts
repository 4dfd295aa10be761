import { readSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import { parseJson } from '../../../src/json/index.ts'
import type { OpenFile } from '../database/index.ts'
import type { JsonRow } from './lines.ts'

/** The document is read as a whole. */
const MAX_BYTES = 64 * 1024 * 1024

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [number, string])[]
}

/**
 * The answers of Prometheus to `query_range` or `query` as wide rows in the order of time: `timestamp` in epoch seconds, the labels, and
 * a column per metric name; `value` for a series without a name.
 *
 * Throws `decoded_too_large` for a document over 64 MiB, `source_unreadable` for what is no such answer, with the error Prometheus gave.
 */
export function rowsOfQueryRange(files: readonly OpenFile[]): JsonRow[] {
  const rows = new Map<string, Record<string, unknown>>()
  for (const file of files) {
    for (const { metric, values } of seriesOf(file)) {
      const { __name__: name = 'value', ...labels } = metric
      if ('timestamp' in labels) throw unreadable(file, 'A label is called timestamp, as the time is.')
      const key = JSON.stringify(labels)
      for (const [timestamp, value] of values) {
        const place = `${timestamp} ${key}`
        const row = rows.get(place) ?? { timestamp, ...labels }
        if (name in row)
          throw unreadable(file, `The series ${name} has two values at ${timestamp} for the same labels.`)
        row[name] = numberOf(value)
        rows.set(place, row)
      }
    }
  }
  return [...rows.values()].sort((a, b) => Number(a.timestamp) - Number(b.timestamp))
}

/** Numbers come as text. An infinity stays one: JSON rows have a word for it. */
function numberOf(text: string): number | string {
  const number = Number(text)
  return Number.isFinite(number) ? number : text
}

function seriesOf(file: OpenFile): Series[] {
  if (file.bytes > MAX_BYTES) {
    const detail = `The Prometheus answer ${file.name} is larger than ${MAX_BYTES} bytes; ask for a shorter range.`
    throw new DeepWatchError('decoded_too_large', detail, { facts: { limit: MAX_BYTES } })
  }
  const bytes = Buffer.alloc(file.bytes)
  let filled = 0
  for (let read = -1; read !== 0 && filled < bytes.length; filled += read)
    read = readSync(file.fd, bytes, filled, bytes.length - filled, filled)
  const answer = parse(file, bytes.subarray(0, filled)) as {
    status?: unknown
    error?: unknown
    data?: { resultType?: unknown; result?: unknown }
  }
  if (answer.status !== 'success') throw unreadable(file, `It tells an error: ${String(answer.error).slice(0, 200)}.`)
  const { resultType, result } = answer.data ?? {}
  if ((resultType !== 'matrix' && resultType !== 'vector') || !Array.isArray(result))
    throw unreadable(file, 'Its data must be a matrix or a vector.')
  return result.map((series: unknown) => readSeries(file, series))
}

function parse(file: OpenFile, bytes: Buffer): unknown {
  try {
    return parseJson(bytes)
  } catch {
    throw unreadable(file, 'It is not valid JSON.')
  }
}

function readSeries(file: OpenFile, series: unknown): Series {
  const { metric, values, value } = (series ?? {}) as { metric?: unknown; values?: unknown; value?: unknown }
  const samples = Array.isArray(values) ? values : value === undefined ? null : [value]
  const isSample = (sample: unknown) =>
    Array.isArray(sample) && typeof sample[0] === 'number' && typeof sample[1] === 'string'
  const isLabels =
    typeof metric === 'object' && metric !== null && Object.values(metric).every((text) => typeof text === 'string')
  if (!isLabels || samples === null || !samples.every(isSample))
    throw unreadable(file, 'A series needs metric, and values of [time, "number"].')
  return { metric: metric as Series['metric'], values: samples as Series['values'] }
}

function unreadable(file: OpenFile, why: string): DeepWatchError {
  const detail = `The Prometheus answer ${file.name} cannot be read. ${why}`
  return new DeepWatchError('source_unreadable', detail, { facts: { file: file.name } })
}
