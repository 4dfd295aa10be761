import type { Format } from './format.ts'
import { beginsText, firstByte } from './text.ts'

/**
 * CSV in UTF-8 with a header line: quote and escape are `"`, the delimiter is the one of `, ; TAB |` that the header
 * uses. Strict: ragged lines, open quotes and values that are not what their column is are errors.
 *
 * It is what is text and nothing else, hence last in the list.
 */
export const csv: Format = {
  id: 'csv',
  title: 'CSV',
  mediaTypes: ['text/csv', 'application/csv'],
  extensions: ['.csv', '.tsv'],
  matches: ({ head, bytes }) => {
    const first = firstByte(head)
    return first !== '' && first !== '{' && first !== '[' && first !== '<' && beginsText(head, bytes)
  },
  relation: `read_csv($files, auto_detect = false, compression = 'none', header = true, delim = {{delimiter}}, quote = '"',
    escape = '"', columns = {{types}}, nullstr = ['', 'null', 'NULL', 'NA'], strict_mode = true,
    ignore_errors = false, null_padding = false, max_line_size = 4194304)`,
}
