import type { RankedForest } from './ranked-layout.ts'
import { mapRanks, rankValues } from './ranked-values-code.ts'
import { addLeafValues, selectLeaves, treesTogether, vectorRows } from './ranked-walk-code.ts'
import { finiteCheck } from './traverse-code.ts'
import { compile, createMemory } from './wasm.ts'

/** The ranked walk of one thread, with a memory that only grows. */
export interface RankedKernel {
  /** Puts a forest into the memory, unless it is the one that lies there. */
  load(forest: RankedForest): void
  /** The buffer for the values of one feature, one per row of the tile. */
  values(): Float64Array
  /** Whether the first rows of the buffer, and what earlier ones left behind them, are finite. */
  isFinite(rows: number): boolean
  /**
   * Ranks the first rows of the buffer, which are the values of a feature. False when one of them, or of what earlier ones left behind
   * them, may not be finite: `isFinite` knows.
   */
  rank(feature: number, rows: number): boolean
  /**
   * Writes the sums of the path lengths in all trees, added in their order, once every feature is ranked.
   * @param sums one per row of the tile
   */
  sumPathLengths(sums: Float64Array): void
}

const pageBytes = 65_536
const wholeVectors = (rows: number) => Math.ceil(rows / vectorRows) * vectorRows

/** Makes a kernel: seven small modules, compiled at once. */
export function createRankedKernel(): RankedKernel {
  const memory = createMemory()
  const check = compile(finiteCheck(), memory)
  const rankWide = compile(rankValues(2), memory)
  const rankNarrow = compile(rankValues(1), memory)
  const map = compile(mapRanks(), memory)
  const select = compile(selectLeaves(), memory)
  const add = compile(addLeafValues(false), memory)
  const addPieces = compile(addLeafValues(true), memory)
  let doubles = new Float64Array(memory.buffer)
  let loaded: RankedForest

  function clear(start: number, bytes: number): void {
    doubles.fill(0, start / 8, (start + bytes) / 8)
  }

  /** Whether the two doubles there are. */
  function areFinite(address: number): boolean {
    const sum = (doubles[address / 8] as number) + (doubles[address / 8 + 1] as number)
    return sum - sum === 0
  }

  return {
    load(forest) {
      if (loaded === forest) return
      loaded = forest
      const start = forest.geometry.forest
      const missing = Math.ceil((start + forest.bytes.byteLength - memory.buffer.byteLength) / pageBytes)
      if (missing > 0) {
        memory.grow(missing)
        doubles = new Float64Array(memory.buffer)
      }
      new Uint8Array(memory.buffer, start).set(forest.bytes)
      // The sums, the values and the table of no tree begin clean, whatever lay there.
      doubles.fill(0, 0, forest.geometry.leaves(0) / 8)
    },
    values() {
      const { values, tileRows } = loaded.geometry
      return doubles.subarray(values / 8, values / 8 + tileRows)
    },
    isFinite(rows) {
      const { values, sums } = loaded.geometry
      // The sums are not in use yet.
      check(values, values + 8 * wholeVectors(rows), sums)
      return areFinite(sums)
    },
    rank(feature, rows) {
      const { geometry, grids, groups } = loaded
      const how = grids[feature]
      if (!how) return false
      const { grid, buckets, firstStep, searchAll } = how
      const { values, sums } = geometry
      const [rank, target] = groups.length === 1 ? [rankNarrow, geometry.ranks] : [rankWide, geometry.wideRanks]
      rank(values, values + 8 * wholeVectors(rows), grid, buckets, firstStep, searchAll ? 1 : 0, target(feature), sums)
      return areFinite(sums)
    },
    sumPathLengths(sums) {
      const { geometry, grids, groups } = loaded
      const rows = wholeVectors(sums.length)
      const first = geometry.sums / 8
      doubles.fill(0, first, first + sums.length)
      for (const { maps, trees, hasPieces } of groups) {
        for (let f = 0; groups.length > 1 && f < grids.length; f++) {
          if (grids[f] === null) continue
          const wide = geometry.wideRanks(f)
          map(wide, wide + 2 * rows, maps[f] as number, geometry.ranks(f))
        }
        for (let t = 0; t < trees.length; t += treesTogether) {
          const tables: number[] = []
          for (let i = t; i < t + treesTogether; i++) {
            const tree = trees[i]
            // The whole tree is one piece, whose number is 0.
            if (hasPieces && !tree?.hasPieces) clear(geometry.pieces(i - t), rows)
            if (tree !== undefined && tree.from < tree.to) select(tree.from, tree.to, rows)
            tables.push(tree?.table ?? geometry.noTable)
          }
          const addUp = hasPieces ? addPieces : add
          addUp(geometry.sums, geometry.sums + 8 * rows, geometry.leaves(0), geometry.tileRows, ...tables)
        }
      }
      sums.set(doubles.subarray(first, first + sums.length))
    },
  }
}
