/** Which of the names that exist somebody meant by one that does not. */

/** Longer names are no slips of the hand; comparing them would take time that a client decides on. */
const longest = 64

/** ` (did you mean x?)` for the end of a message, or nothing where no name is near. Of control characters nothing is shown. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const found = nearest(word, names)
  return found === null ? '' : ` (did you mean ${/^[\w./@{}-]+$/.test(found) ? found : JSON.stringify(found)}?)`
}

/**
 * The name that is most like `word`: the same but for case, `-`, `_` and `.`; else a few letters away; else one that begins as the
 * other does; else one that `word` abbreviates (`knn`, `iforest`). Null when none is.
 */
export function nearest(word: string, names: Iterable<string>): string | null {
  if (word.length > longest) return null
  const asked = plain(word)
  let best: string | null = null
  let least = Number.POSITIVE_INFINITY
  for (const name of names) {
    if (name.length > longest) continue
    const rank = rankOf(asked, plain(name))
    if (rank < least) [best, least] = [name, rank]
  }
  return best
}

/** A name without what people mix up in it. */
export const plain = (name: string): string => name.toLowerCase().replace(/[-_. ]/g, '')

/** The less, the nearer; infinite for no likeness. */
function rankOf(asked: string, name: string): number {
  if (asked === name) return 0
  const limit = Math.min(3, Math.floor(Math.max(asked.length, name.length) / 3))
  const distance = editDistance(asked, name, limit)
  if (distance <= limit) return distance
  const [short, long] = asked.length < name.length ? [asked, name] : [name, asked]
  if (short.length >= 3 && long.startsWith(short)) return longest + long.length - short.length
  return asked.length >= 3 && abbreviates(asked, name) ? 2 * longest + name.length : Number.POSITIVE_INFINITY
}

/** Whether the letters of `short` stand in `name` in their order, the first one first. */
function abbreviates(short: string, name: string): boolean {
  let at = 0
  for (const letter of name) if (letter === short[at]) at++
  return at === short.length && short[0] === name[0]
}

/** Letters to change, add, leave out or swap with their neighbour, where that is at most `limit`; more than `limit` otherwise. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1))
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    if (Math.min(...row) > limit) return limit + 1
    before = last
    last = row
  }
  return last[b.length]!
}
