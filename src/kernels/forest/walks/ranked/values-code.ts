/**
 * The first half of the ranked walk as WebAssembly: doubles become ranks. The rank of x among the ascending distinct
 * thresholds of its feature is the number of thresholds below x, so that x > threshold i exactly when rank(x) > i.
 */
import {
  add,
  and,
  anyBit,
  type Body,
  before,
  declare,
  defineFunction,
  doubles,
  type Expression,
  gt,
  increase,
  type Local,
  load,
  loadHigh,
  loadLane16,
  loadLow,
  loadSplat,
  lowBits,
  lowHalves,
  lt,
  max,
  min,
  mul,
  narrow8,
  narrow16,
  not,
  repeatWhile,
  select,
  set,
  shl,
  shr,
  splat16,
  store,
  storeLowHalf,
  sub,
  tee,
  times,
  type WasmFunction,
  when,
} from '../../../wasm/index.ts'

/** Rows that are ranked together, so that their loads overlap. */
const together = 8

/** What stands before the thresholds of a feature: origin, scale and last bucket of its grid, `roundingShift` (float64 each). */
export const gridHeadBytes = 32

/** Adding it to a double from 0 to 2^31 leaves the nearest integer in the low bits. */
export const roundingShift = 2 ** 52

/** The least rank as a signed byte. */
export const lowestRank = -128

/** Parameters are byte addresses but where told. */
const rankFrame = () =>
  declare(
    {
      ...{ at: 'i32', end: 'i32', grid: 'i32', buckets: 'i32' },
      // In bytes of thresholds; 1 to search for all values.
      ...{ firstStep: 'i32', searchAll: 'i32' },
      ...{ target: 'i32', sums: 'i32' },
    },
    {
      ...{ step: 'i32', search: 'i32', address: 'i32' },
      ...{ place: ['i32', together], value: ['f64', together] },
      ...{ origin: 'f64x2', scale: 'f64x2', last: 'f64x2', shift: 'f64x2' },
      ...{ zero: 'f64x2', sum: 'f64x2', pair: 'f64x2' },
      ...{ entries: 'i16x8', one: 'i16x8', lowest: 'i16x8', above: ['f64x2', together / 2] },
    },
  )
type RankVariables = ReturnType<typeof rankFrame>['variables']

/**
 * Ranks the values from `at` to `end` with a grid, its thresholds behind it. A value's bucket is (x - origin) * scale to the
 * nearest integer within the grid. That never falls when x rises, whatever the arithmetic rounds: the thresholds of lower
 * buckets are below x and those of higher ones are not, so that only those of its own have to be looked at. Where that is one at most,
 * one comparison does. When a bucket of eight values is crowded, all eight are searched for without branches, among as many thresholds
 * as the fullest bucket has. NaN ranks lowest.
 *
 * `buckets` has an entry for each bucket (uint16): twice the number of thresholds in lower ones, and 1 more where it is crowded.
 * Two sums of x - origin (float64 each) are left at `sums`; one of them is not finite when a value is not.
 * @param bytes of a rank: 2 counts from 0; 1, for at most 255 thresholds, from `lowestRank`
 */
export function rankValues(bytes: 1 | 2): WasmFunction {
  const frame = rankFrame()
  const { at, end, grid, searchAll, target, sums, search, sum } = frame.variables
  const { origin, scale, last, shift, one, lowest } = frame.variables
  const head = (local: Local<'f64x2'>, offset: number) => set(local, loadSplat('f64x2', grid, offset))
  return defineFunction('rank', frame, [
    [head(origin, 0), head(scale, 8), head(last, 16), head(shift, 24)],
    [set(one, splat16(1)), set(lowest, splat16(lowestRank))],
    repeatWhile(lt(at, end), [
      set(search, searchAll),
      when(not(search), compareValues(frame.variables, bytes)),
      when(search, searchValues(frame.variables, bytes)),
      increase(at, 8 * together),
      increase(target, bytes * together),
    ]),
    store('f64x2', sums, sum),
  ])
}

const forEachPair = (body: (k: number) => Body): Body => times(together / 2, (half) => body(2 * half))

/** Sets `pair` to the buckets of two values, in the low bits of each half. */
function findBuckets({ at, origin, scale, last, shift, zero, sum, pair }: RankVariables, k: number): Body {
  const offset = tee(pair, sub(load('f64x2', at, 8 * k), origin))
  const bucket = add(min(max(zero, mul(offset, scale)), last), shift)
  return set(pair, before(set(sum, add(sum, pair)), bucket))
}

/** The address of the entry of a value's bucket. */
const entryOf = ({ buckets, pair }: RankVariables, k: number): Expression<'i32'> =>
  add(buckets, shl(lowBits(pair, k % 2), 1))

/** Ranks by one comparison each; sets `search` when a bucket is crowded, where the ranks are not right. */
function compareValues(variables: RankVariables, bytes: 1 | 2): Body {
  const { at, grid, target, search, place, entries, one, lowest, zero, above } = variables
  const readEntry = (k: number) => set(entries, loadLane16(tee(place(k), entryOf(variables, k)), entries, k))
  // Where a bucket is crowded this is beside a threshold, and what is read there is not used.
  const thresholdOf = (k: number) => add(grid, shl(load('u16', place(k)), 2))
  const compare = (k: number) => {
    // The address of the upper half comes first.
    const pair = loadHigh(thresholdOf(k + 1), loadLow(thresholdOf(k), gridHeadBytes), gridHeadBytes)
    return [
      findBuckets(variables, k),
      readEntry(k),
      readEntry(k + 1),
      set(above(k / 2), gt(load('f64x2', at, 8 * k), pair)),
    ]
  }
  const areAbove = narrow16(lowHalves(above(0), above(1)), lowHalves(above(2), above(3)))
  // All ones are -1.
  const ranks = sub(shr(entries, 1), areAbove)
  return [
    forEachPair(compare),
    bytes === 2 ? store('i16x8', target, ranks) : storeLowHalf(target, narrow8(add(ranks, lowest), zero)),
    set(search, anyBit(and(entries, one))),
  ]
}

/** Ranks by a search without branches: a place is the grid's address and 8 bytes for each threshold known to be below the value. */
function searchValues(variables: RankVariables, bytes: 1 | 2): Body {
  const { at, grid, firstStep, target, step, address, place, value } = variables
  const begin = (k: number) => [
    set(place(k), add(shl(shr(load('u16', entryOf(variables, k)), 1), 3), grid)),
    set(value(k), load('f64', at, 8 * k)),
  ]
  const advance = (k: number) => {
    const next = tee(address, add(place(k), step))
    return set(place(k), select(next, place(k), gt(value(k), load('f64', address, gridHeadBytes - 8))))
  }
  const storeRank = (k: number) => {
    const rank = shr(sub(place(k), grid), 3)
    return bytes === 2 ? store('u16', target, rank, 2 * k) : store('u8', target, add(rank, lowestRank), k)
  }
  return [
    forEachPair((k) => [findBuckets(variables, k), begin(k), begin(k + 1)]),
    set(step, firstStep),
    repeatWhile(lt(4, step), [times(together, advance), set(step, shr(step, 1))]),
    times(together, storeRank),
  ]
}

/** Turns the ranks from `at` to `end` (uint16) into bytes by a table: ranks among the thresholds of some trees. */
export function mapRanks(): WasmFunction {
  const frame = declare({ at: 'i32', end: 'i32', table: 'i32', target: 'i32' }, {})
  const { at, end, table, target } = frame.variables
  return defineFunction(
    'map',
    frame,
    repeatWhile(lt(at, end), [
      times(together, (k) => store('u8', target, load('u8', add(table, load('u16', at, 2 * k))), k)),
      increase(at, 2 * together),
      increase(target, together),
    ]),
  )
}

/**
 * A look for values that are not finite: adds 0 times each value from `at` to `end` (byte addresses, a multiple of 32 apart) and
 * leaves two sums at `target`. Both are 0 when every value is finite, else at least one is NaN.
 */
export function finiteCheck(): WasmFunction {
  const frame = declare({ at: 'i32', end: 'i32', target: 'i32' }, { zero: 'f64x2', even: 'f64x2', odd: 'f64x2' })
  const { at, end, target, zero, even, odd } = frame.variables
  const addTo = (sum: Local<'f64x2'>, offset: number) => set(sum, add(mul(load('f64x2', at, offset), zero), sum))
  return defineFunction('check', frame, [
    set(odd, tee(even, tee(zero, doubles(0, 0)))),
    repeatWhile(lt(at, end), [addTo(even, 0), addTo(odd, 16), increase(at, 32)]),
    store('f64x2', target, add(even, odd)),
  ])
}
