import {
  addF64x2,
  type Code,
  compile,
  constant,
  createMemory,
  forEach,
  get,
  growTo,
  i32,
  loadF64Twice,
  loadF64x2,
  mulF64x2,
  op,
  repeatWhile,
  set,
  storeF64x2,
  subF64x2,
  tee,
  v128,
  type WasmFunction,
  zeroF64x2,
} from '../wasm/index.ts'

/** Rows to compare with, in the order in which the search reads them. */
export interface Reference {
  readonly rows: number
  readonly lanes: number
  /** Groups of eight rows; lane f of row r of group g at (g * lanes + f) * 8 + r. Places without a row are Infinity. */
  readonly groups: Float64Array
}

/** Finds the nearest of reference rows, exactly: every distance is computed. */
export interface NeighbourSearch {
  /**
   * Mean Euclidean distance from a point to its `k` nearest reference rows.
   *
   * @param point one value per lane, within +-1e150
   * @param k 1..rows; one less when `without` is given
   * @param without number of a reference row that is not looked at; -1 for none
   */
  meanDistance(reference: Reference, point: Float64Array, k: number, without: number): number
}

const groupRows = 8

/** Lays out rows. @param rows rows x lanes, row-major, within +-1e150 */
export function layReference(rows: Float64Array, lanes: number): Reference {
  const count = rows.length / lanes
  const groups = new Float64Array(Math.ceil(count / groupRows) * groupRows * lanes).fill(Number.POSITIVE_INFINITY)
  for (let r = 0; r < count; r++) {
    const start = Math.floor(r / groupRows) * groupRows * lanes + (r % groupRows)
    for (let f = 0; f < lanes; f++) groups[start + f * groupRows] = rows[r * lanes + f] as number
  }
  return { rows: count, lanes, groups }
}

/**
 * The squared distances of a point from all reference rows, eight at a time: per lane four pairs of rows are
 * subtracted, squared and added. Parameters, all byte addresses: point [0, 1), reference [2, 3), distances 4.
 */
export function squaredDistances(): WasmFunction {
  const [point, pointEnd, reference, referenceEnd, target, lane, value, difference, sums] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8,
  ] as const
  const pairs = groupRows / 2
  const increase = (local: number, bytes: number): Code => [...get(local), ...constant(bytes), op.i32Add, ...set(local)]
  const addPair = (pair: number): Code => [
    ...[...get(reference), ...loadF64x2(16 * pair), ...get(value), ...subF64x2, ...tee(difference)],
    ...[...get(difference), ...mulF64x2, ...get(sums + pair), ...addF64x2, ...set(sums + pair)],
  ]
  const group = [
    ...forEach(pairs, (pair) => [...zeroF64x2, ...set(sums + pair)]),
    ...[...get(point), ...set(lane)],
    ...repeatWhile(
      [
        ...[...get(lane), ...loadF64Twice(0), ...set(value)],
        ...forEach(pairs, addPair),
        ...[...increase(reference, 8 * groupRows), ...increase(lane, 8)],
      ],
      [...get(lane), ...get(pointEnd), op.i32LtU],
    ),
    ...forEach(pairs, (pair) => [...get(target), ...get(sums + pair), ...storeF64x2(16 * pair)]),
    ...increase(target, 8 * groupRows),
  ]
  const body = repeatWhile(group, [...get(reference), ...get(referenceEnd), op.i32LtU])
  return { name: 'distances', params: 5, locals: [i32, ...Array.from({ length: 2 + pairs }, () => v128)], body }
}

/** A search of one thread, with a memory that only grows: point, distances and one reference, in this order. */
export function createNeighbourSearch(): NeighbourSearch {
  const memory = createMemory()
  const distances = compile(squaredDistances(), memory)
  let doubles = new Float64Array(memory.buffer)
  let loaded: Reference | undefined
  let nearest = new Float64Array(8)

  function load(reference: Reference): void {
    if (loaded === reference) return
    const { lanes, groups } = reference
    const start = lanes + groups.length / lanes
    if (growTo(memory, 8 * (start + groups.length))) doubles = new Float64Array(memory.buffer)
    doubles.set(groups, start)
    loaded = reference
  }

  function meanDistance(reference: Reference, point: Float64Array, k: number, without: number): number {
    load(reference)
    const { rows, lanes, groups } = reference
    doubles.set(point)
    const start = 8 * (lanes + groups.length / lanes)
    distances(0, 8 * lanes, start, start + 8 * groups.length, 8 * lanes)
    if (nearest.length < k) nearest = new Float64Array(k)
    nearest.fill(Number.POSITIVE_INFINITY, 0, k)
    let bound = Number.POSITIVE_INFINITY
    for (let r = 0; r < rows; r++) {
      const distance = doubles[lanes + r] as number
      if (!(distance < bound) || r === without) continue
      let place = k - 1
      while (place > 0 && (nearest[place - 1] as number) > distance) {
        nearest[place] = nearest[place - 1] as number
        place--
      }
      nearest[place] = distance
      bound = nearest[k - 1] as number
    }
    let sum = 0
    for (let i = 0; i < k; i++) sum += Math.sqrt(nearest[i] as number)
    return sum / k
  }

  return { meanDistance }
}
