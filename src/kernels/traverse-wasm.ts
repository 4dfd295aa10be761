import { finiteCheck, groupRows, linkedWalk, paddedRowWalk, paddedWalk, slotEnd } from './traverse-code.ts'
import { compile, createMemory } from './wasm.ts'

type Walk = ReturnType<typeof compile>

/** The compiled kernel of one thread, with a memory that only grows. */
export interface Kernel {
  /**
   * The tile to fill: feature f of row r at f * `tileRows` + r, for the rows of one walk; `tileRows` is a
   * multiple of 8. Ask for it again after `loadTrees`, which may move the memory.
   */
  tile(features: number, tileRows: number): Float64Array
  /** Whether the whole tile is finite, what earlier rows left in it included. */
  isFinite(features: number, tileRows: number): boolean
  /** Puts a run of trees, as `layRun` made it, into the memory. */
  loadTrees(bytes: Uint8Array, features: number, tileRows: number): void
  /**
   * Adds the path lengths of the loaded trees to the sums of the first rows of the tile.
   * @param paddedDepth depth of the padded trees, 0 = linked ones
   * @param sums one per row, at most `tileRows`, added to
   */
  addPathLengths(paddedDepth: number, features: number, tileRows: number, sums: Float64Array): void
}

const pageBytes = 65_536
/** Rows up to which it pays to walk padded trees row by row, and from which on to copy each before it is walked. */
const mostSingleRows = 6
const leastCopiedRows = 32
/** Where the sums begin, by the byte and by the float64: a new cache line behind the slot. */
const sumsStart = Math.ceil(slotEnd / 64) * 64
const firstSum = sumsStart / 8

const ways = {
  linked: () => linkedWalk(),
  single: (depth: number) => paddedRowWalk(depth),
  padded: (depth: number) => paddedWalk(depth, false),
  copied: (depth: number) => paddedWalk(depth, true),
}
type Way = keyof typeof ways

function wayFor(rows: number, paddedDepth: number): Way {
  if (paddedDepth === 0) return 'linked'
  if (rows <= mostSingleRows) return 'single'
  return rows < leastCopiedRows ? 'padded' : 'copied'
}

const tileStart = (tileRows: number) => sumsStart + 8 * tileRows
const treesStart = (features: number, tileRows: number) => tileStart(tileRows) + 8 * tileRows * features

/** Bytes of a kernel's memory with a run of trees in it. */
export function memoryBytes(run: number, { features, tileRows }: { features: number; tileRows: number }): number {
  return Math.ceil((treesStart(features, tileRows) + run) / pageBytes) * pageBytes
}

/**
 * Makes a kernel. Its memory holds a slot for one padded tree, the sums of a tile, the tile, and one run
 * of trees, in this order.
 * The module of a depth is assembled and compiled when it is first needed: some milliseconds.
 */
export function createKernel(): Kernel {
  const memory = createMemory()
  const walks = new Map<string, Walk>()
  const check = compile(finiteCheck(), memory)
  let doubles = new Float64Array(memory.buffer)
  let treeBytes = 0

  function walkOf(paddedDepth: number, way: Way): Walk {
    const key = `${way} ${paddedDepth}`
    let walk = walks.get(key)
    if (walk === undefined) {
      walk = compile(ways[way](paddedDepth), memory)
      walks.set(key, walk)
    }
    return walk
  }

  function reserve(bytes: number): void {
    const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)
    if (missing > 0) {
      memory.grow(missing)
      doubles = new Float64Array(memory.buffer)
    }
  }

  return {
    tile(features, tileRows) {
      reserve(treesStart(features, tileRows))
      const first = tileStart(tileRows) / 8
      return doubles.subarray(first, first + tileRows * features)
    },
    isFinite(features, tileRows) {
      // The sums are not in use yet, and the tile begins where they end.
      check(tileStart(tileRows), treesStart(features, tileRows), sumsStart)
      return (doubles[firstSum] as number) + (doubles[firstSum + 1] as number) === 0
    },
    loadTrees(bytes, features, tileRows) {
      const start = treesStart(features, tileRows)
      reserve(start + bytes.byteLength)
      new Uint8Array(memory.buffer, start, bytes.byteLength).set(bytes)
      treeBytes = bytes.byteLength
    },
    addPathLengths(paddedDepth, features, tileRows, sums) {
      doubles.set(sums, firstSum)
      const trees = treesStart(features, tileRows)
      const tile = tileStart(tileRows)
      const way = wayFor(sums.length, paddedDepth)
      const rows = way === 'single' ? sums.length : Math.ceil(sums.length / groupRows) * groupRows
      walkOf(paddedDepth, way)(trees, trees + treeBytes, tile, tile + 8 * rows, sumsStart)
      sums.set(doubles.subarray(firstSum, firstSum + sums.length))
    },
  }
}
