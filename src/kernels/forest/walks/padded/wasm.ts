import {
  compileModule,
  createMemory,
  growTo,
  instantiate,
  pageBytes,
  type WasmFunction,
  type WasmModule,
} from '../../../wasm/index.ts'
import { finiteCheck, groupRows, linkedWalk, paddedRowWalk, paddedWalk, slotEnd } from './code.ts'

type Walk = ReturnType<typeof instantiate>

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
   * Adds the path lengths of the loaded trees, of the first `rows` rows of the tile, to their sums.
   * @param paddedDepth depth of the padded trees, 0 = linked ones
   * @param sums that of row i of the tile at `from` + i, added to
   * @param rows at most `tileRows`
   */
  addPathLengths(
    paddedDepth: number,
    features: number,
    tileRows: number,
    sums: Float64Array,
    from: number,
    rows: number,
  ): void
}

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

/** The compiled code of a kernel by its name: plain data, which can be sent to other threads. */
export type KernelModules = ReadonlyMap<string, WasmModule>

/** What this thread has compiled: three walks for each depth of padded trees, one of linked trees, and the check. */
const compiled = new Map<string, WasmModule>()

function compiledOnce(name: string, make: () => WasmFunction): WasmModule {
  const found = compiled.get(name) ?? compileModule(make())
  compiled.set(name, found)
  return found
}

const checkName = 'check'
const moduleOfCheck = () => compiledOnce(checkName, finiteCheck)
const nameOf = (way: Way, paddedDepth: number) => `${way} ${paddedDepth}`
const moduleOf = (way: Way, paddedDepth: number) => compiledOnce(nameOf(way, paddedDepth), () => ways[way](paddedDepth))

/** The numbers of rows from which on a forest is walked in another way. */
export const firstRowsOfWays = [1, mostSingleRows + 1, leastCopiedRows] as const

/** The code that a kernel needs for forests of one depth: some milliseconds of compiling, unless this thread has. */
export function modulesFor(paddedDepth: number): KernelModules {
  const needed = new Set(firstRowsOfWays.map((rows) => wayFor(rows, paddedDepth)))
  return new Map([
    [checkName, moduleOfCheck()],
    ...[...needed].map((way) => [nameOf(way, paddedDepth), moduleOf(way, paddedDepth)] as const),
  ])
}

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
 * Code that is not given, and that this thread has not compiled yet, is compiled when it is first needed: some milliseconds.
 */
export function createKernel(given: KernelModules = new Map()): Kernel {
  const memory = createMemory()
  const walks: Readonly<Record<Way, Walk[]>> = { linked: [], single: [], padded: [], copied: [] }
  const check = instantiate(given.get(checkName) ?? moduleOfCheck(), memory)
  let doubles = new Float64Array(memory.buffer)
  /** The tile that was asked for last. */
  let tile = doubles.subarray(0, 0)
  let treeBytes = 0

  function walkOf(paddedDepth: number, way: Way): Walk {
    let walk = walks[way][paddedDepth]
    if (walk === undefined) {
      walk = instantiate(given.get(nameOf(way, paddedDepth)) ?? moduleOf(way, paddedDepth), memory)
      walks[way][paddedDepth] = walk
    }
    return walk
  }

  function reserve(bytes: number): void {
    if (growTo(memory, bytes)) doubles = new Float64Array(memory.buffer)
  }

  return {
    tile(features, tileRows) {
      reserve(treesStart(features, tileRows))
      const [first, length] = [tileStart(tileRows), tileRows * features]
      const isSame = tile.buffer === memory.buffer && tile.byteOffset === first && tile.length === length
      if (!isSame) tile = new Float64Array(memory.buffer, first, length)
      return tile
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
    addPathLengths(paddedDepth, features, tileRows, sums, from, rows) {
      for (let i = 0; i < rows; i++) doubles[firstSum + i] = sums[from + i] as number
      const trees = treesStart(features, tileRows)
      const lanes = tileStart(tileRows)
      const way = wayFor(rows, paddedDepth)
      const walked = way === 'single' ? rows : Math.ceil(rows / groupRows) * groupRows
      walkOf(paddedDepth, way)(trees, trees + treeBytes, lanes, lanes + 8 * walked, sumsStart)
      for (let i = 0; i < rows; i++) sums[from + i] = doubles[firstSum + i] as number
    },
  }
}
