import { type Block, shareBytes } from '../index.ts'

/** Rows order[from..to-1] are of one group. */
export interface RowRun {
  readonly group: number
  readonly from: number
  readonly to: number
}

/**
 * Brings rows together by group: a counting sort, so the time is that of one walk.
 *
 * @param numbers the group of each row, a whole number
 * @param groups numbers from `groups` on, and what is no number, are one group: `groups`
 * @returns the positions of the rows in shared memory, group after group, in a group ascending; and the groups that have rows, ascending
 */
export function groupRows(numbers: Float64Array, groups: number) {
  const rows = numbers.length
  const groupOf = new Uint32Array(rows)
  const ends = new Uint32Array(groups + 1)
  for (let row = 0; row < rows; row++) {
    const number = numbers[row]!
    const group = number < groups ? number : groups
    groupOf[row] = group
    ends[group]! += 1
  }
  const runs: RowRun[] = []
  let at = 0
  for (let group = 0; group <= groups; group++) {
    const count = ends[group]!
    if (count > 0) runs.push({ group, from: at, to: at + count })
    ends[group] = at
    at += count
  }
  const order = new Uint32Array(shareBytes(4 * rows))
  for (let row = 0; row < rows; row++) {
    const group = groupOf[row]!
    const place = ends[group]!
    order[place] = row
    ends[group] = place + 1
  }
  return { order, runs }
}

/** Cuts runs into lists of about `rows` rows each, in order; a run may be cut in two. */
export function cutRuns(runs: readonly RowRun[], rows: number): RowRun[][] {
  const lists: RowRun[][] = []
  let room = 0
  for (const { group, from, to } of runs) {
    for (let start = from; start < to; ) {
      if (room === 0) {
        lists.push([])
        room = rows
      }
      const end = Math.min(to, start + room)
      lists.at(-1)?.push({ group, from: start, to: end })
      room -= end - start
      start = end
    }
  }
  return lists
}

/**
 * Copies columns from..to-1 of a block with its rows in another order. A column at a time and all of it, so that what is read from everywhere
 * stays in the cache.
 *
 * @param order positions of rows in the block, one for each of its rows
 * @param into value i of column f at f * order.length + i, written
 */
export function arrangeColumns(
  { values, stride }: Block,
  order: Uint32Array,
  into: Float64Array,
  from: number,
  to: number,
): void {
  for (let column = from; column < to; column++) {
    const source = values.subarray(column * stride, (column + 1) * stride)
    const target = into.subarray(column * order.length, (column + 1) * order.length)
    for (let i = 0; i < order.length; i++) target[i] = source[order[i]!]!
  }
}
