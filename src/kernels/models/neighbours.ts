import {
  add,
  compile,
  createMemory,
  declare,
  defineFunction,
  doubles,
  growTo,
  increase,
  load,
  loadSplat,
  lt,
  mul,
  repeatWhile,
  set,
  store,
  sub,
  tee,
  times,
  type WasmFunction,
} from '../wasm/index.ts'

/** Rows to compare with, in the order in which the search reads them. */
export interface Reference {
  readonly rows: number
  readonly columns: number
  /** Groups of eight rows; column f of row r of group g at (g * columns + f) * 8 + r. Places without a row are Infinity. */
  readonly groups: Float64Array
}

const groupRows = 8

/** Lays out rows. @param rows rows x columns, row-major, within +-1e150 */
export function layReference(rows: Float64Array, columns: number): Reference {
  const count = rows.length / columns
  const groups = new Float64Array(Math.ceil(count / groupRows) * groupRows * columns).fill(Number.POSITIVE_INFINITY)
  for (let r = 0; r < count; r++) {
    const start = Math.floor(r / groupRows) * groupRows * columns + (r % groupRows)
    for (let f = 0; f < columns; f++) groups[start + f * groupRows] = rows[r * columns + f]!
  }
  return { rows: count, columns, groups }
}

/**
 * The squared distances of a point from all reference rows, eight at a time: per column four pairs of rows are
 * subtracted, squared and added. The parameters are byte addresses.
 */
export function squaredDistances(): WasmFunction {
  const pairs = groupRows / 2
  const frame = declare(
    { point: 'i32', pointEnd: 'i32', reference: 'i32', referenceEnd: 'i32', target: 'i32' },
    { column: 'i32', value: 'f64x2', difference: 'f64x2', sums: ['f64x2', pairs] },
  )
  const { point, pointEnd, reference, referenceEnd, target, column, value, difference, sums } = frame.variables
  const addPair = (pair: number) => {
    const distance = tee(difference, sub(load('f64x2', reference, 16 * pair), value))
    return set(sums(pair), add(mul(distance, difference), sums(pair)))
  }
  const group = [
    times(pairs, (pair) => set(sums(pair), doubles(0, 0))),
    set(column, point),
    repeatWhile(lt(column, pointEnd), [
      set(value, loadSplat('f64x2', column)),
      times(pairs, addPair),
      increase(reference, 8 * groupRows),
      increase(column, 8),
    ]),
    times(pairs, (pair) => store('f64x2', target, sums(pair), 16 * pair)),
    increase(target, 8 * groupRows),
  ]
  return defineFunction('distances', frame, repeatWhile(lt(reference, referenceEnd), group))
}

/**
 * Makes what finds the nearest of reference rows, exactly: every distance is computed. For one thread, with a memory that only grows:
 * point, distances and one reference, in this order.
 */
export function createNeighbourSearch() {
  const memory = createMemory()
  const distances = compile(squaredDistances(), memory)
  let values = new Float64Array(memory.buffer)
  let loaded: Reference | undefined
  let nearest = new Float64Array(8)

  function load(reference: Reference): void {
    if (loaded === reference) return
    const { columns, groups } = reference
    const start = columns + groups.length / columns
    if (growTo(memory, 8 * (start + groups.length))) values = new Float64Array(memory.buffer)
    values.set(groups, start)
    loaded = reference
  }

  /**
   * Mean Euclidean distance from a point to its `k` nearest reference rows.
   *
   * @param point one value per column, within +-1e150
   * @param k 1..rows; one less when `without` is given
   * @param without number of a reference row that is not looked at; -1 for none
   */
  return function meanDistance(reference: Reference, point: Float64Array, k: number, without: number): number {
    load(reference)
    const { rows, columns, groups } = reference
    values.set(point)
    const start = 8 * (columns + groups.length / columns)
    distances(0, 8 * columns, start, start + 8 * groups.length, 8 * columns)
    if (nearest.length < k) nearest = new Float64Array(k)
    nearest.fill(Number.POSITIVE_INFINITY, 0, k)
    let bound = Number.POSITIVE_INFINITY
    for (let r = 0; r < rows; r++) {
      const distance = values[columns + r]!
      if (!(distance < bound) || r === without) continue
      let place = k - 1
      while (place > 0 && nearest[place - 1]! > distance) {
        nearest[place] = nearest[place - 1]!
        place--
      }
      nearest[place] = distance
      bound = nearest[k - 1]!
    }
    let sum = 0
    for (let i = 0; i < k; i++) sum += Math.sqrt(nearest[i]!)
    return sum / k
  }
}
