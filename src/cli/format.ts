/** Which format a command writes, and where it may go. */
import { extname } from 'node:path'
import { didYouMean } from '../nearest.ts'
import type { ReportFormat } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { wrong } from './usage.ts'

export const scoreFormats = ['ndjson', 'csv', 'arrow', 'parquet', 'json'] as const
export const generateFormats = ['csv', 'ndjson', 'arrow', 'parquet'] as const
export const reportFormats = ['html', 'svg', 'png'] as const satisfies readonly ReportFormat[]

const endings: Readonly<Record<string, string>> = {
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.json': 'json',
  '.arrow': 'arrow',
  '.arrows': 'arrow',
  '.parquet': 'parquet',
  '.html': 'html',
  '.htm': 'html',
  '.svg': 'svg',
  '.png': 'png',
}

/** The format of `--format`, else of the ending of `--out`, else `otherwise`. Error: `validation_failed`. */
export function chooseFormat<F extends string>(call: Call, formats: readonly F[], otherwise: F): F {
  const named = call.text('format')
  const out = call.text('out') ?? '-'
  const is = (text: string | undefined): text is F => (formats as readonly (string | undefined)[]).includes(text)
  if (named !== undefined && !is(named))
    throw wrong(`--format: must be ${formats.join(', ')}${didYouMean(named, formats)}.`)
  const chosen = named ?? (out === '-' ? otherwise : endings[extname(out).toLowerCase()])
  if (out === '-') refuseBinary(call, chosen)
  if (is(chosen)) return chosen
  throw wrong(`--format: is needed where --out does not end in ${formats.map((format) => `.${format}`).join(', ')}.`)
}

/** Refuses bytes on a terminal, and Parquet, which is written from its end, on standard output. */
function refuseBinary(call: Call, format: string | undefined): void {
  if (format === 'parquet') throw wrong('--out: Parquet needs a file.')
  if (call.isTerminal && (format === 'arrow' || format === 'png')) {
    throw wrong(`--format: ${format} is no text for a terminal; name a file with --out, or pipe it.`)
  }
}
