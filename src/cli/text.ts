/** Numbers, times and tables as people read them. */

/** 1234567 as 1,234,567. */
export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')

/** An RFC 3339 time without its fraction. */
export const toSecond = (time: string): string => time.replace(/\.\d+Z$/, 'Z')

/** Rows of text, their columns one under the other. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}
