import {
  compileModule,
  createMemory,
  growTo,
  instantiate,
  pageBytes,
  type WasmFunction,
  type WasmModule,
} from '../../../wasm/index.ts'
import { type Geometry, rankedGeometry, wholeVectors } from './geometry.ts'
import type { RankedBatch, RankedForest } from './layout.ts'
import { finiteCheck, mapRanks, rankValues } from './values-code.ts'
import { addLeafValues, selectLeaves } from './walk-code.ts'

const functions = {
  check: finiteCheck,
  rankWide: () => rankValues(2),
  rankNarrow: () => rankValues(1),
  map: mapRanks,
  select: selectLeaves,
  add: () => addLeafValues(false),
  addPieces: () => addLeafValues(true),
} satisfies Record<string, () => WasmFunction>
type RankedFunction = keyof typeof functions

/** The compiled code of a kernel: plain data, which can be sent to other threads. */
export type RankedModules = Readonly<Record<RankedFunction, WasmModule>>

let compiled: RankedModules | undefined

/** Seven small modules, compiled once a thread. */
export function rankedModules(): RankedModules {
  compiled ??= mapValues(functions, (make) => compileModule(make()))
  return compiled
}

function mapValues<From, To>(all: Readonly<Record<RankedFunction, From>>, change: (one: From) => To) {
  return Object.fromEntries(Object.entries<From>(all).map(([name, one]) => [name, change(one)])) as Record<
    RankedFunction,
    To
  >
}

/** Bytes of a kernel's memory with a forest in it. */
export function rankedMemoryBytes({ size, bytes }: RankedForest): number {
  return Math.ceil((rankedGeometry(size).forest + bytes.byteLength) / pageBytes) * pageBytes
}

export type RankedKernel = ReturnType<typeof createRankedKernel>

/** The ranked walk of one thread, with a memory that only grows. */
export function createRankedKernel(modules: RankedModules = rankedModules()) {
  const memory = createMemory()
  const run = mapValues(modules, (module) => instantiate(module, memory))
  let doubles = new Float64Array(memory.buffer)
  let loaded: RankedForest
  let geometry: Geometry

  /** Whether the two doubles there are. */
  function areFinite(address: number): boolean {
    const sum = doubles[address / 8]! + doubles[address / 8 + 1]!
    return sum - sum === 0
  }

  /** Adds the path lengths of some trees, in their order. */
  function addBatch({ from, to, tables, whole }: RankedBatch, hasPieces: boolean, rows: number): void {
    // A whole tree is one piece, whose number is 0.
    if (hasPieces)
      for (const place of whole) doubles.fill(0, geometry.pieces(place) / 8, (geometry.pieces(place) + rows) / 8)
    if (from < to) run.select(from, to, rows)
    const addUp = hasPieces ? run.addPieces : run.add
    addUp(geometry.sums, geometry.sums + 8 * rows, geometry.leaves(0), geometry.tileRows, ...tables)
  }

  return {
    /** Puts a forest into the memory, unless it is the one that lies there. */
    load(forest: RankedForest): void {
      if (loaded === forest) return
      loaded = forest
      geometry = rankedGeometry(forest.size)
      const start = geometry.forest
      if (growTo(memory, rankedMemoryBytes(forest))) doubles = new Float64Array(memory.buffer)
      new Uint8Array(memory.buffer, start).set(forest.bytes)
      // The sums, the values and the table of no tree begin clean, whatever lay there.
      doubles.fill(0, 0, geometry.leaves(0) / 8)
    },
    /** The buffer for the values of one feature, one per row of the tile. */
    values(): Float64Array<ArrayBuffer> {
      const { values, tileRows } = geometry
      return doubles.subarray(values / 8, values / 8 + tileRows)
    },
    /** Whether the first rows of the buffer, and what earlier ones left behind them, are finite. */
    isFinite(rows: number): boolean {
      const { values, sums } = geometry
      // The sums are not in use yet.
      run.check(values, values + 8 * wholeVectors(rows), sums)
      return areFinite(sums)
    },
    /**
     * Ranks the first rows of the buffer, which are the values of a feature. False when one of them, or of what earlier ones left behind
     * them, may not be finite: `isFinite` knows.
     */
    rank(feature: number, rows: number): boolean {
      const { grids, groups } = loaded
      const how = grids[feature]
      if (!how) return false
      const { grid, buckets, firstStep, searchAll } = how
      const { values, sums } = geometry
      const [rank, target] = groups.length === 1 ? [run.rankNarrow, geometry.ranks] : [run.rankWide, geometry.wideRanks]
      rank(values, values + 8 * wholeVectors(rows), grid, buckets, firstStep, searchAll ? 1 : 0, target(feature), sums)
      return areFinite(sums)
    },
    /**
     * Writes the sums of the path lengths in all trees, added in their order, once every feature is ranked.
     * @param sums one per row of the tile
     */
    sumPathLengths(sums: Float64Array): void {
      const rows = wholeVectors(sums.length)
      const first = geometry.sums / 8
      doubles.fill(0, first, first + sums.length)
      for (const { maps, batches, hasPieces } of loaded.groups) {
        maps.forEach((map, f) => {
          const wide = geometry.wideRanks(f)
          if (loaded.grids[f]) run.map(wide, wide + 2 * rows, map, geometry.ranks(f))
        })
        for (const batch of batches) addBatch(batch, hasPieces, rows)
      }
      sums.set(doubles.subarray(first, first + sums.length))
    },
  }
}
