import { compileModule, createMemory, growTo, instantiate, pageBytes, type WasmModule } from '../../../wasm/index.ts'
import { groupRows, linkedWalk } from './code.ts'
import { finiteCheck } from './finite-check.ts'
import type { LinkedShape } from './shape.ts'

/** The compiled walk of one thread, with a memory that only grows: the sums of a tile, the tile, and one forest, in this order. */
export interface LinkedKernel {
  /** Puts a forest, as `layLinked` laid it out, into the memory. */
  load(bytes: Uint8Array, shape: LinkedShape): void
  /** The tile to fill, for the forest in the memory: feature f of row r at f * `tileRows` + r. */
  tile(): Float64Array
  /** Whether the whole tile is finite, what earlier rows left in it included. */
  isFinite(): boolean
  /**
   * Adds the path lengths of the first rows of the tile to their sums.
   * @param sums that of row i of the tile at `from` + i
   * @param rows at most `tileRows`
   */
  addPathLengths(sums: Float64Array, from: number, rows: number): void
}

/** The compiled code of a kernel: plain data, which can be sent to other threads. */
export interface LinkedModules {
  readonly check: WasmModule
  readonly walk: WasmModule
}

let compiled: LinkedModules | undefined

/** Compiled once a thread. */
export function linkedModules(): LinkedModules {
  compiled ??= { check: compileModule(finiteCheck()), walk: compileModule(linkedWalk()) }
  return compiled
}

const treesStart = ({ features, tileRows }: LinkedShape) => 8 * tileRows * (features + 1)

/** Bytes of a kernel's memory with a forest of so many bytes in it. */
export function linkedMemoryBytes(bytes: number, shape: LinkedShape): number {
  return Math.ceil((treesStart(shape) + bytes) / pageBytes) * pageBytes
}

/** Makes a kernel; code that is not given is compiled, unless this thread has. */
export function createLinkedKernel(modules: LinkedModules = linkedModules()): LinkedKernel {
  const memory = createMemory()
  const check = instantiate(modules.check, memory)
  const walk = instantiate(modules.walk, memory)
  let doubles = new Float64Array(memory.buffer)
  let tile = doubles
  /** Addresses; the tile begins where the sums end. */
  let tileStart = 0
  let trees = 0
  let treesEnd = 0

  return {
    load(bytes, shape) {
      tileStart = 8 * shape.tileRows
      trees = treesStart(shape)
      treesEnd = trees + bytes.byteLength
      if (growTo(memory, treesEnd)) doubles = new Float64Array(memory.buffer)
      tile = doubles.subarray(tileStart / 8, trees / 8)
      // What lay there may be anything, and `isFinite` looks at all of it.
      tile.fill(0)
      new Uint8Array(memory.buffer, trees).set(bytes)
    },
    tile: () => tile,
    isFinite() {
      // The sums are not in use yet.
      check(tileStart, trees, 0)
      return doubles[0]! + doubles[1]! === 0
    },
    addPathLengths(sums, from, rows) {
      for (let i = 0; i < rows; i++) doubles[i] = sums[from + i]!
      const walked = Math.ceil(rows / groupRows) * groupRows
      walk(trees, treesEnd, tileStart, tileStart + 8 * walked, 0)
      for (let i = 0; i < rows; i++) sums[from + i] = doubles[i]!
    },
  }
}
