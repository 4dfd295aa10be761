/** Writes scored rows as JSON and NDJSON text, block by block. */
import type { ScoreSettings, ScoreSummary } from '../schemas/index.ts'
import type { RowRun, ScoredBlock } from '../scoring/index.ts'

export type Return = NonNullable<ScoreSettings['return']>

export type RunOfRows = Pick<RowRun, 'model' | 'version' | 'threshold' | 'blocks'>

/** The JSON answer in pieces. The summary's counts come last because they are known last. */
export async function* jsonPieces(run: RunOfRows, which: Return): AsyncGenerator<string> {
  yield jsonHead(run)
  const blocks = run.blocks()
  let separator = ''
  for (;;) {
    const step = await blocks.next()
    if (step.done) {
      yield jsonTail(step.value)
      return
    }
    for (const results of resultTexts(step.value, which, run.threshold, ',')) {
      yield separator + results
      separator = ','
    }
  }
}

interface SmallBatchResults {
  readonly block: ScoredBlock
  readonly summary: ScoreSummary
}

/** The same for a small batch, which is scored already: the whole text, or pieces where there is much to say of the rows. */
export function smallBatchJson(run: RunOfRows, batch: SmallBatchResults, which: Return): string | Generator<string> {
  const { text, end } = resultPiece(batch.block, which, run.threshold, ',', 0)
  return end === batch.block.rows ? jsonHead(run) + text + jsonTail(batch.summary) : smallBatchPieces(run, batch, which)
}

function* smallBatchPieces(run: RunOfRows, { block, summary }: SmallBatchResults, which: Return): Generator<string> {
  let before = jsonHead(run)
  for (const results of resultTexts(block, which, run.threshold, ',')) {
    yield before + results
    before = ','
  }
  yield jsonTail(summary)
}

const jsonHead = ({ model, version, threshold }: RunOfRows) =>
  `{"model":${JSON.stringify(model)},"version":${version},"threshold":${threshold},"results":[`

const jsonTail = ({ rows, anomalies, unscored, warnings }: ScoreSummary) =>
  `],"rows":${rows},"anomalies":${anomalies},"unscored":${unscored}${warnings ? `,"warnings":${JSON.stringify(warnings)}` : ''}}`

/** The NDJSON answer in pieces: one result a line, then the summary. */
export async function* ndjsonPieces(run: RunOfRows, which: Return): AsyncGenerator<string> {
  const blocks = run.blocks()
  for (;;) {
    const step = await blocks.next()
    if (step.done) {
      yield `${JSON.stringify({ summary: step.value satisfies ScoreSummary })}\n`
      return
    }
    for (const results of resultTexts(step.value, which, run.threshold, '\n')) yield `${results}\n`
  }
}

/** Characters of a piece. All results of a block at once could be more than a text can hold: rows echo what they like. */
const pieceLength = 65_536

function* resultTexts(block: ScoredBlock, which: Return, threshold: number, between: string): Generator<string> {
  for (let row = 0; row < block.rows; ) {
    const { text, end } = resultPiece(block, which, threshold, between, row)
    if (text !== '') yield text
    row = end
  }
}

/** The results of the rows from `row` on, up to the length of a piece, and the row behind them. */
function resultPiece(block: ScoredBlock, which: Return, threshold: number, between: string, row: number) {
  let text = ''
  let end = which === 'none' ? block.rows : row
  for (; end < block.rows && text.length < pieceLength; end++) {
    const score = block.scores[end]!
    if (which === 'anomalies' && !(score > threshold)) continue
    if (text !== '') text += between
    text += resultText(block, end, score, threshold)
  }
  return { text, end }
}

function resultText(block: ScoredBlock, row: number, score: number, threshold: number): string {
  const head = `{"row":${block.facts.position(row)},"score":${Number.isNaN(score) ? 'null' : score},"isAnomaly":${score > threshold}`
  const lacking = block.lacking(row)
  const reason = block.reason(row)
  const marks =
    lacking.length === 0
      ? ''
      : reason === null
        ? `,"filled":${JSON.stringify(lacking)}`
        : `,"reason":"${reason}","features":${JSON.stringify(lacking)}`
  const reasons = Number.isNaN(score) ? [] : block.reasons(row)
  const why = reasons.length === 0 ? '' : `,"reasons":${JSON.stringify(reasons)}`
  const text = block.facts.text(row)
  return `${head}${why}${marks}${text === null ? '' : `,"values":{${text}}`}}`
}
