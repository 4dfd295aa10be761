/** Scored rows as CSV (RFC 4180, LF). */
import type { ScoredBlock } from '../scoring/index.ts'
import type { Return, RunOfRows } from './results.ts'

const pieceLength = 65_536

/** Position, score and flag of each row, then why there is no score or what training never saw, then the columns asked for. */
export async function* csvPieces(run: RunOfRows, which: Return, include: readonly string[]): AsyncGenerator<string> {
  let piece = csvHead(include)
  for await (const block of run.blocks()) {
    for (let row = 0; row < block.rows; row++) {
      if (which === 'anomalies' && !(block.scores[row]! > run.threshold)) continue
      piece += csvLine(resultOf(block, row, run.threshold, include.length > 0), include)
      if (piece.length < pieceLength) continue
      yield piece
      piece = ''
    }
  }
  yield piece
}

export const csvHead = (include: readonly string[]): string =>
  `row,anomaly_score,is_anomaly,reason${include.map((name) => `,${csvCell(name)}`).join('')}\n`

/** A result, as an NDJSON line of scores holds it too. */
export interface CsvResult {
  readonly row: number
  readonly score: number | null
  readonly isAnomaly: boolean
  readonly reason?: string | null
  readonly reasons?: readonly { readonly reason: string; readonly feature: string }[]
  readonly values?: Readonly<Record<string, unknown>>
}

/** In the cell `reason`: why a row has no score, or the features whose values training never saw. */
export function csvLine(result: CsvResult, include: readonly string[]): string {
  const { row, score, isAnomaly, reason, reasons = [], values = {} } = result
  const why = score === null ? reason : reasons.map((each) => `${each.reason} ${each.feature}`).join('; ') || null
  const cells = [row, score ?? '', isAnomaly, csvCell(why), ...include.map((name) => csvCell(values[name]))]
  return `${cells.join(',')}\n`
}

function resultOf(block: ScoredBlock, row: number, threshold: number, hasValues: boolean): CsvResult {
  const score = block.scores[row]!
  return {
    row: block.facts.position(row),
    score: Number.isNaN(score) ? null : score,
    isAnomaly: score > threshold,
    reason: block.reason(row),
    reasons: block.reasons(row),
    values: hasValues ? JSON.parse(`{${block.facts.text(row)}}`) : {},
  }
}

/** A value as a cell: empty for null, quoted where it has to be. */
function csvCell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /[",\r\n]|^\s|\s$/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text
}
