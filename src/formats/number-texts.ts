/** Numbers in text, and the words that stand for none: one rule for CSV cells and for JSON strings. */

/** What stands for a missing value, in lower case. */
export const missingWords: readonly string[] = ['', '-', 'na', 'n/a', 'null', 'none', 'nan']

const infinite = /^([+-]?)inf(?:inity)?$/i

/**
 * The number that a text stands for where numbers are expected: NaN for a missing value, an infinity, or null for anything else. Digits are
 * not read here. `words` are further words for a missing value, taken literally.
 */
export function wordNumber(text: string, words: ReadonlySet<string>): number | null {
  const trimmed = text.trim()
  if (words.has(trimmed) || missingWords.includes(trimmed.toLowerCase())) return Number.NaN
  const sign = infinite.exec(trimmed)?.[1]
  return sign === undefined ? null : sign === '-' ? -Infinity : Infinity
}
