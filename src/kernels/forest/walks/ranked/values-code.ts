/**
 * The first half of the ranked walk as WebAssembly: doubles become ranks. The rank of x among the ascending distinct
 * thresholds of its feature is the number of thresholds below x, so that x > threshold i exactly when rank(x) > i.
 */
import {
  addF64x2,
  addI16x8,
  andV128,
  anyTrue,
  type Code,
  constant,
  f64,
  forEach,
  get,
  gtF64x2,
  i32,
  loadF64,
  loadF64High,
  loadF64Low,
  loadF64Twice,
  loadF64x2,
  loadI16Lane,
  loadU8,
  loadU16,
  lowBits,
  lowHalvesI64x2,
  maxF64x2,
  minF64x2,
  mulF64x2,
  narrowI16x8,
  narrowI32x4,
  op,
  repeatWhile,
  set,
  shrU16x8,
  splatI16x8,
  storeF64x2,
  storeI8,
  storeI16,
  storeLowHalf,
  subF64x2,
  subI16x8,
  tee,
  v128,
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

/**
 * Ranks the values at [0, 1) with the grid at 2, its thresholds behind it. A value's bucket is (x - origin) * scale to the
 * nearest integer within the grid. That never falls when x rises, whatever the arithmetic rounds: the thresholds of lower
 * buckets are below x and those of higher ones are not, so that only those of its own have to be looked at. Where that is one at most,
 * one comparison does. When a bucket of eight values is crowded, all eight are searched for without branches, among as many thresholds
 * as the fullest bucket has. NaN ranks lowest.
 *
 * Parameter 3: an entry for each bucket (uint16), twice the number of thresholds in lower ones, and 1 more where it is crowded; 4: first
 * step of the search, in bytes of thresholds; 5: 1 to search for all values; 6: target; 7: where to leave two sums of x - origin
 * (float64 each), one of which is not finite when a value is not.
 * @param bytes of a rank: 2 counts from 0; 1, for at most 255 thresholds, from `lowestRank`
 */
export function rankValues(bytes: 1 | 2): WasmFunction {
  const [at, end, grid, buckets, firstStep, searchAll, target, sums] = [0, 1, 2, 3, 4, 5, 6, 7] as const
  const [step, search, address, place] = [8, 9, 10, 11] as const
  const value = place + together
  const origin = value + together
  const [scale, last, shift, zero, sum, pair] = [origin + 1, origin + 2, origin + 3, origin + 4, origin + 5, origin + 6]
  const [entries, one, lowest, above] = [origin + 7, origin + 8, origin + 9, origin + 10]
  const head = (local: number, offset: number): Code => [...get(grid), ...loadF64Twice(offset), ...set(local)]
  const findBuckets = (k: number): Code => [
    ...[...get(zero), ...get(at), ...loadF64x2(8 * k), ...get(origin), ...subF64x2, ...tee(pair)],
    ...[...get(scale), ...mulF64x2, ...maxF64x2, ...get(last), ...minF64x2, ...get(shift), ...addF64x2],
    ...[...get(sum), ...get(pair), ...addF64x2, ...set(sum), ...set(pair)],
  ]
  const entryOf = (half: number): Code => [
    ...[...get(buckets), ...get(pair), ...lowBits(half), ...constant(1), op.i32Shl, op.i32Add],
  ]
  const readEntry = (k: number): Code => [
    ...[...entryOf(k % 2), ...tee(place + k), ...get(entries), ...loadI16Lane(0, k), ...set(entries)],
  ]
  // Where a bucket is crowded this is beside a threshold, and what is read there is not used.
  const thresholdOf = (k: number): Code => [
    ...[...get(grid), ...get(place + k), ...loadU16(0), ...constant(2), op.i32Shl, op.i32Add],
  ]
  const compare = (k: number): Code => [
    ...[...findBuckets(k), ...readEntry(k), ...readEntry(k + 1)],
    ...[...get(at), ...loadF64x2(8 * k), ...thresholdOf(k + 1), ...thresholdOf(k), ...loadF64Low(gridHeadBytes)],
    ...[...loadF64High(gridHeadBytes), ...gtF64x2, ...set(above + k / 2)],
  ]
  const ranks: Code = [
    ...[...get(entries), ...constant(1), ...shrU16x8, ...get(above), ...get(above + 1), ...lowHalvesI64x2],
    ...[...get(above + 2), ...get(above + 3), ...lowHalvesI64x2, ...narrowI32x4, ...subI16x8],
  ]
  const storeRanks: Code =
    bytes === 2
      ? [...get(target), ...ranks, ...storeF64x2(0)]
      : [...get(target), ...ranks, ...get(lowest), ...addI16x8, ...get(zero), ...narrowI16x8, ...storeLowHalf(0)]
  // A place is the grid's address and 8 bytes for each threshold known to be below the value.
  const begin = (k: number): Code => [
    ...[...entryOf(k % 2), ...loadU16(0), ...constant(1), op.i32ShrU, ...constant(3), op.i32Shl],
    ...[...get(grid), op.i32Add, ...set(place + k), ...get(at), ...loadF64(8 * k), ...set(value + k)],
  ]
  const advance = (k: number): Code => [
    ...[...get(place + k), ...get(step), op.i32Add, ...tee(address), ...get(place + k)],
    ...[...get(value + k), ...get(address), ...loadF64(gridHeadBytes - 8), op.f64Gt],
    ...[op.select, ...set(place + k)],
  ]
  const storeRank = (k: number): Code => [
    ...[...get(target), ...get(place + k), ...get(grid), op.i32Sub, ...constant(3), op.i32ShrU],
    ...(bytes === 2 ? storeI16(2 * k) : [...constant(lowestRank), op.i32Add, ...storeI8(k)]),
  ]
  const forEachPair = (code: (k: number) => Code): Code => forEach(together / 2, (half) => code(2 * half))
  const searched: Code = [
    ...forEachPair((k) => [...findBuckets(k), ...begin(k), ...begin(k + 1)]),
    ...[...get(firstStep), ...set(step)],
    ...repeatWhile(
      [...forEach(together, advance), ...get(step), ...constant(1), op.i32ShrU, ...set(step)],
      [...constant(4), ...get(step), op.i32LtU],
    ),
    ...forEach(together, storeRank),
  ]
  const compared: Code = [
    ...[...forEachPair(compare), ...storeRanks],
    ...[...get(entries), ...get(one), ...andV128, ...anyTrue, ...set(search)],
  ]
  const body = [
    ...[...head(origin, 0), ...head(scale, 8), ...head(last, 16), ...head(shift, 24)],
    ...[...constant(1), ...splatI16x8, ...set(one), ...constant(lowestRank), ...splatI16x8, ...set(lowest)],
    ...repeatWhile(
      [
        ...[...get(searchAll), ...set(search)],
        ...when([...get(search), op.i32Eqz], compared),
        ...when(get(search), searched),
        ...[...get(at), ...constant(8 * together), op.i32Add, ...set(at)],
        ...[...get(target), ...constant(bytes * together), op.i32Add, ...set(target)],
      ],
      [...get(at), ...get(end), op.i32LtU],
    ),
    ...[...get(sums), ...get(sum), ...storeF64x2(0)],
  ]
  const locals = [
    ...Array.from({ length: 3 + together }, () => i32),
    ...Array.from({ length: together }, () => f64),
    ...Array.from({ length: 10 + together / 2 }, () => v128),
  ]
  return { name: 'rank', params: 8, locals, body }
}

/** Turns the ranks at [0, 1) (uint16) into bytes by the table at 2, into 3: ranks among the thresholds of some trees. */
export function mapRanks(): WasmFunction {
  const [at, end, table, target] = [0, 1, 2, 3] as const
  const one = (k: number): Code => [
    ...[...get(target), ...get(table), ...get(at), ...loadU16(2 * k), op.i32Add, ...loadU8(0), ...storeI8(k)],
  ]
  const body = repeatWhile(
    [
      ...forEach(together, one),
      ...[...get(at), ...constant(2 * together), op.i32Add, ...set(at)],
      ...[...get(target), ...constant(together), op.i32Add, ...set(target)],
    ],
    [...get(at), ...get(end), op.i32LtU],
  )
  return { name: 'map', params: 4, locals: [], body }
}
