import type { Format } from './format.ts'
import { beginsText, firstByte } from './text.ts'

/**
 * Newline-delimited JSON: one object per line. Read by our own line reader, not by the database, so that a
 * number, a string or a doubled key means exactly what it means in a JSON body.
 */
export const ndjson: Format = {
  id: 'ndjson',
  title: 'NDJSON',
  mediaTypes: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'],
  extensions: ['.ndjson', '.jsonl'],
  matches: ({ head, bytes }) => firstByte(head) === '{' && beginsText(head, bytes),
  relation: 'fed()',
}
