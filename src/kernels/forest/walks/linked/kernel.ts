import { compileModule, createMemory, growTo, instantiate, pageBytes, type WasmModule } from '../../../wasm/index.ts'
import { groupRows, linkedWalk } from './code.ts'
import type { LinkedShape } from './layout.ts'

let compiled: WasmModule | undefined

/** The compiled walk, once a thread: plain data, which can be sent to other threads. */
export function linkedModule(): WasmModule {
  compiled ??= compileModule(linkedWalk())
  return compiled
}

const treesStart = ({ features, tileRows }: LinkedShape) => 8 * tileRows * (features + 1)

/** Bytes of a kernel's memory with a forest of so many bytes in it. */
export function linkedMemoryBytes(bytes: number, shape: LinkedShape): number {
  return Math.ceil((treesStart(shape) + bytes) / pageBytes) * pageBytes
}

export type LinkedKernel = ReturnType<typeof createLinkedKernel>

/** The walk of one thread, with a memory that only grows: the sums of a tile, the tile, and one forest, in this order. */
export function createLinkedKernel(module: WasmModule = linkedModule()) {
  const memory = createMemory()
  const walk = instantiate(module, memory)
  let doubles = new Float64Array(memory.buffer)
  let tile = doubles
  /** Addresses; the tile begins where the sums end. */
  let tileStart = 0
  let trees = 0
  let treesEnd = 0

  return {
    /** Puts a forest, as `layLinked` laid it out, into the memory. */
    load(bytes: Uint8Array, shape: LinkedShape): void {
      tileStart = 8 * shape.tileRows
      trees = treesStart(shape)
      treesEnd = trees + bytes.byteLength
      if (growTo(memory, treesEnd)) doubles = new Float64Array(memory.buffer)
      tile = doubles.subarray(tileStart / 8, trees / 8)
      new Uint8Array(memory.buffer, trees).set(bytes)
    },

    /** The tile to fill, for the forest in the memory: feature f of row r at f * `tileRows` + r. */
    tile: () => tile,

    /**
     * Adds the path lengths of the first rows of the tile to their sums.
     * @param sums that of row i of the tile at `from` + i
     * @param rows at most `tileRows`
     */
    addPathLengths(sums: Float64Array, from: number, rows: number): void {
      for (let i = 0; i < rows; i++) doubles[i] = sums[from + i]!
      const walked = Math.ceil(rows / groupRows) * groupRows
      walk(trees, treesEnd, tileStart, tileStart + 8 * walked, 0)
      for (let i = 0; i < rows; i++) sums[from + i] = doubles[i]!
    },
  }
}
