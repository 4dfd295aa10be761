import { assemble, type WasmFunction } from './encoding.ts'

/** The memory of a kernel: pages of 64 KiB, which can be added but not taken away. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** The part of the WebAssembly API that is used; the type library that declares it is the browser's. */
interface WasmApi {
  Memory: new (limits: { initial: number }) => WasmMemory
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, (...args: number[]) => void> }
}
const api = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly

/** The unit in which a memory grows. */
export const pageBytes = 65_536

/** Lets a memory have at least so many bytes; whether it grew, which leaves all views of its buffer empty. */
export function growTo(memory: WasmMemory, bytes: number): boolean {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)
  if (missing <= 0) return false
  memory.grow(missing)
  return true
}

/** A memory of one page. */
export function createMemory(): WasmMemory {
  return new api.Memory({ initial: 1 })
}

/** A compiled function that runs on no memory yet; can be sent to other threads. */
export interface WasmModule {
  readonly name: string
  readonly module: object
}

/** Compiles a function. */
export function compileModule(code: WasmFunction): WasmModule {
  return { name: code.name, module: new api.Module(assemble(code)) }
}

/** Makes a compiled function run on a memory. */
export function instantiate({ name, module }: WasmModule, memory: WasmMemory): (...args: number[]) => void {
  return new api.Instance(module, { kernel: { memory } }).exports[name] as (...args: number[]) => void
}

/** Compiles a function to run on a memory. */
export const compile = (code: WasmFunction, memory: WasmMemory) => instantiate(compileModule(code), memory)
