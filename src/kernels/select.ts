/** Ranges this short are sorted. */
const shortRange = 24

/**
 * Moves values so that at each of `places` stands what would stand there if all were sorted ascending: quicksort (Hoare 1962,
 * "Quicksort", The Computer Journal 5) that leaves alone what holds no wanted place. A part that does not get shorter is sorted.
 *
 * @param values numbers, none of them NaN; changed in place
 * @param places ascending, each 0..values.length-1; one may stand there twice
 */
export function select(values: Float64Array, places: ArrayLike<number>): void {
  // Twice the walks that halving would take.
  selectWithin(values, 0, values.length - 1, places, 0, places.length, 2 * Math.ceil(Math.log2(values.length + 1)))
}

/** The same for values[from..to] and places[first..end), all of which lie in it. */
function selectWithin(
  values: Float64Array,
  from: number,
  to: number,
  places: ArrayLike<number>,
  first: number,
  end: number,
  walks: number,
): void {
  if (first >= end || from >= to) return
  if (to - from < shortRange || walks === 0) {
    values.subarray(from, to + 1).sort()
    return
  }
  const pivot = middleOf(values[from]!, values[(from + to) >>> 1]!, values[to]!)
  let left = from
  let right = to
  // Both stop at equal values, so that many of them are divided evenly.
  while (left <= right) {
    while (values[left]! < pivot) left++
    while (values[right]! > pivot) right--
    if (left > right) break
    const value = values[left]!
    values[left++] = values[right]!
    values[right--] = value
  }
  // values[from..right] <= pivot <= values[left..to], and what lies between equals it.
  let low = first
  while (low < end && places[low]! <= right) low++
  let high = low
  while (high < end && places[high]! < left) high++
  selectWithin(values, from, right, places, first, low, walks - 1)
  selectWithin(values, left, to, places, high, end, walks - 1)
}

/** The middle one of three. */
function middleOf(a: number, b: number, c: number): number {
  if (a < b) return b < c ? b : a < c ? c : a
  return a < c ? a : b < c ? c : b
}
