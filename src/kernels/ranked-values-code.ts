import {
  addF64x2,
  type Code,
  constant,
  f64,
  forEach,
  get,
  i32,
  loadF64,
  loadF64Twice,
  loadF64x2,
  loadU8,
  loadU16,
  lowBits,
  maxF64x2,
  minF64x2,
  mulF64x2,
  op,
  repeatWhile,
  set,
  storeI8,
  storeI16,
  subF64x2,
  tee,
  v128,
  type WasmFunction,
} from './wasm.ts'

/**
 * The first half of the ranked walk as WebAssembly: doubles become ranks. The rank of x among the ascending distinct
 * thresholds of its feature is the number of thresholds below x, so that x > threshold i exactly when rank(x) > i.
 */

/** Rows that are ranked together, so that their loads overlap. */
const together = 8

/** What stands before the thresholds of a feature: origin, scale and last bucket of its grid, `roundingShift` (float64 each). */
export const gridHeadBytes = 32

/** Adding it to a double from 0 to 2^31 leaves the nearest integer in the low bits. */
export const roundingShift = 2 ** 52

/** The least rank as a signed byte. */
export const lowestRank = -128

/**
 * Ranks the values at [0, 1) with the grid at 2, its thresholds behind it. A value's bucket, (x - origin) * scale to the
 * nearest integer within the grid, says at which threshold to begin, and a search without branches over as many
 * thresholds as the fullest bucket has does the rest. That is exact whatever the arithmetic rounds: a bucket never falls when x
 * rises, so that the thresholds of lower buckets are below x and those of higher ones above. NaN ranks lowest.
 *
 * Parameter 3: where each bucket begins (uint16 each), 4: first step of the search in bytes of thresholds, 5: target.
 * @param bytes of a rank: 2 counts from 0; 1, for at most 255 thresholds, from `lowestRank`
 */
export function rankValues(bytes: 1 | 2): WasmFunction {
  const [at, end, grid, buckets, firstStep, target, step, next, place] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const
  const value = place + together
  const origin = value + together
  const [scale, last, shift, zero, pair] = [origin + 1, origin + 2, origin + 3, origin + 4, origin + 5] as const
  const head = (local: number, offset: number): Code => [...get(grid), ...loadF64Twice(offset), ...set(local)]
  const beginOf = (half: number): Code => [
    ...[...get(buckets), ...get(pair), ...lowBits(half), ...constant(1), op.i32Shl, op.i32Add, ...loadU16(0)],
    ...[...constant(3), op.i32Shl, ...get(grid), op.i32Add],
  ]
  const begin = (k: number): Code => [
    ...[...get(zero), ...get(at), ...loadF64x2(8 * k), ...get(origin), ...subF64x2, ...get(scale), ...mulF64x2],
    ...[...maxF64x2, ...get(last), ...minF64x2, ...get(shift), ...addF64x2, ...set(pair)],
    ...[...beginOf(0), ...set(place + k), ...beginOf(1), ...set(place + k + 1)],
    ...[...get(at), ...loadF64(8 * k), ...set(value + k), ...get(at), ...loadF64(8 * k + 8), ...set(value + k + 1)],
  ]
  // A place is the grid's address and 8 bytes for each threshold known to be below the value.
  const search = (k: number): Code => [
    ...[...get(place + k), ...get(step), op.i32Add, ...tee(next), ...get(place + k)],
    ...[...get(value + k), ...get(next), ...loadF64(gridHeadBytes - 8), op.f64Gt, op.select, ...set(place + k)],
  ]
  const store = (k: number): Code => [
    ...[...get(target), ...get(place + k), ...get(grid), op.i32Sub, ...constant(3), op.i32ShrU],
    ...(bytes === 2 ? storeI16(2 * k) : [...constant(lowestRank), op.i32Add, ...storeI8(k)]),
  ]
  const body = [
    ...[...head(origin, 0), ...head(scale, 8), ...head(last, 16), ...head(shift, 24)],
    ...repeatWhile(
      [
        ...forEach(together / 2, (half) => begin(2 * half)),
        ...[...get(firstStep), ...set(step)],
        ...repeatWhile(
          [...forEach(together, search), ...get(step), ...constant(1), op.i32ShrU, ...set(step)],
          [...constant(4), ...get(step), op.i32LtU],
        ),
        ...forEach(together, store),
        ...[...get(at), ...constant(8 * together), op.i32Add, ...set(at)],
        ...[...get(target), ...constant(bytes * together), op.i32Add, ...set(target)],
      ],
      [...get(at), ...get(end), op.i32LtU],
    ),
  ]
  const locals = [
    ...Array.from({ length: 2 + together }, () => i32),
    ...Array.from({ length: together }, () => f64),
    ...Array.from({ length: 6 }, () => v128),
  ]
  return { name: 'rank', params: 6, locals, body }
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
