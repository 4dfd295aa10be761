/** Scored rows as CSV (RFC 4180, LF). */
import type { Return, RunOfRows } from '../http/index.ts'
import type { ScoredBlock } from '../scoring/index.ts'
import { csvCell } from './csv.ts'

const pieceLength = 65_536

/** Position, score and flag of each row, then why there is no score or what training never saw, then the columns asked for. */
export async function* csvPieces(run: RunOfRows, which: Return, include: readonly string[]): AsyncGenerator<string> {
  let piece = `row,anomaly_score,is_anomaly,reason${include.map((name) => `,${csvCell(name)}`).join('')}\n`
  for await (const block of run.blocks()) {
    for (let row = 0; row < block.rows; row++) {
      if (which === 'anomalies' && !(block.scores[row]! > run.threshold)) continue
      piece += line(block, row, run.threshold, include)
      if (piece.length < pieceLength) continue
      yield piece
      piece = ''
    }
  }
  yield piece
}

function line(block: ScoredBlock, row: number, threshold: number, include: readonly string[]): string {
  const score = block.scores[row]!
  const head = `${block.position(row)},${Number.isNaN(score) ? '' : score},${score > threshold},${csvCell(why(block, row))}`
  if (include.length === 0) return `${head}\n`
  const values = JSON.parse(`{${block.text(row)}}`) as Record<string, unknown>
  return `${head},${include.map((name) => csvCell(values[name])).join(',')}\n`
}

/** In one cell: why a row has no score, or the features whose values training never saw. */
function why(block: ScoredBlock, row: number): string | null {
  if (Number.isNaN(block.scores[row])) return block.reason(row)
  const reasons = block.reasons(row).map(({ reason, feature }) => `${reason} ${feature}`)
  return reasons.length === 0 ? null : reasons.join('; ')
}
