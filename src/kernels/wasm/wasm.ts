/**
 * Just enough of an assembler for WebAssembly kernels: the bytes of a module are made from readable
 * code at run time, so that no binary and no build tool is part of the repository.
 *
 * A piece of code is a list of bytes; the functions below return such lists and are put together by
 * spreading. Reference: WebAssembly Core Specification 2.0, chapter 5 (binary format).
 */
export type Code = readonly number[]

/** Pieces one after the other. Long ones are not spread: that goes byte by byte as long as this code is young, and it never gets old. */
export const joined = (...pieces: readonly Code[]): Code => ([] as number[]).concat(...pieces)

/** Types of values. */
export const i32 = 0x7f
export const f64 = 0x7c
export const v128 = 0x7b

const noResult = 0x40

export const op = {
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Rotl: 0x77,
  i32Eqz: 0x45,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtU: 0x4b,
  i32DivU: 0x6e,
  f64Add: 0xa0,
  f64Sub: 0xa1,
  f64Mul: 0xa2,
  f64Neg: 0x9a,
  f64Lt: 0x63,
  f64Le: 0x65,
  f64Ge: 0x66,
  /** From a signed 32-bit integer. */
  f64FromI32: 0xb7,
  f64Gt: 0x64,
  /** Takes a, b and a condition: a when it is not 0, else b. */
  select: 0x1b,
} as const

/** Unsigned LEB128; value below 2^32. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; ) {
    const low = rest & 0x7f
    rest >>= 7
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
    bytes.push(done ? low : low | 0x80)
    if (done) return bytes
  }
}

export const get = (local: number): Code => [0x20, ...unsigned(local)]
export const set = (local: number): Code => [0x21, ...unsigned(local)]
export const tee = (local: number): Code => [0x22, ...unsigned(local)]
export const constant = (value: number): Code => [0x41, ...signed(value)]
export const constantF64 = (value: number): Code => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)]
export const absF64: Code = [0x99]

// The first operand of an access is the alignment as a power of two, a hint.
export const loadI32 = (offset: number): Code => [0x28, 2, ...unsigned(offset)]
export const loadF64 = (offset: number): Code => [0x2b, 3, ...unsigned(offset)]
export const loadF64x2 = (offset: number): Code => [0xfd, 0, 4, ...unsigned(offset)]
export const storeF64x2 = (offset: number): Code => [0xfd, 11, 4, ...unsigned(offset)]
/** The two doubles, as bits. */
export const constantF64x2 = (low: number, high: number): Code => [
  ...[0xfd, 12, ...new Uint8Array(Float64Array.of(low, high).buffer)],
]
export const zeroF64x2: Code = constantF64x2(0, 0)
export const addF64x2: Code = [0xfd, ...unsigned(0xf0)]
export const subF64x2: Code = [0xfd, ...unsigned(0xf1)]
export const mulF64x2: Code = [0xfd, ...unsigned(0xf2)]
/** All ones where the first is greater, else 0. */
export const gtF64x2: Code = [0xfd, ...unsigned(0x4a)]
/** One double in the lower half, 0 in the upper. */
export const loadF64Low = (offset: number): Code => [0xfd, ...unsigned(0x5d), 3, ...unsigned(offset)]
/** Takes an address and a vector: its upper half becomes the double there. */
export const loadF64High = (offset: number): Code => [0xfd, ...unsigned(0x57), 3, ...unsigned(offset), 1]
/** One double, in both halves. */
export const loadF64Twice = (offset: number): Code => [0xfd, 10, 3, ...unsigned(offset)]
export const storeF64 = (offset: number): Code => [0x39, 3, ...unsigned(offset)]
export const loadU8 = (offset: number): Code => [0x2d, 0, ...unsigned(offset)]
export const loadU16 = (offset: number): Code => [0x2f, 1, ...unsigned(offset)]
export const storeI32 = (offset: number): Code => [0x36, 2, ...unsigned(offset)]
export const storeI8 = (offset: number): Code => [0x3a, 0, ...unsigned(offset)]
export const storeI16 = (offset: number): Code => [0x3b, 1, ...unsigned(offset)]

/** The lower of two; the second unless the first is greater, so that a NaN in the second stays. */
export const minF64x2: Code = [0xfd, ...unsigned(0xf6)]
/** The second of two when it is greater, else the first: the first also when the second is NaN. */
export const maxF64x2: Code = [0xfd, ...unsigned(0xf7)]
/** One half, 0 or 1, as a double. */
export const halfF64x2 = (half: number): Code => [0xfd, 33, half]
/** The lower 32 bits of one half, 0 or 1, as an integer. */
export const lowBits = (half: number): Code => [0xfd, 27, 2 * half]

// Vectors of eight integers of sixteen bits.
/** One integer, in all eight lanes. */
export const splatI16x8: Code = [0xfd, ...unsigned(0x10)]
/** Takes an address and a vector: one lane of it becomes the integer there. */
export const loadI16Lane = (offset: number, lane: number): Code => [
  ...[0xfd, ...unsigned(0x55), 1, ...unsigned(offset), lane],
]
export const addI16x8: Code = [0xfd, ...unsigned(0x8e)]
export const subI16x8: Code = [0xfd, ...unsigned(0x91)]
/** Takes a vector and the bits that every lane is shifted by. */
export const shrU16x8: Code = [0xfd, ...unsigned(0x8d)]
/** The lower halves of the four doubles' worth of bits in two vectors, as four integers. */
export const lowHalvesI64x2: Code = [0xfd, 13, ...[0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]]
/** The eight integers of thirty-two bits in two vectors, as sixteen bits each: those that do not fit become the nearest that does. */
export const narrowI32x4: Code = [0xfd, ...unsigned(0x85)]
/** The sixteen integers of sixteen bits in two vectors, as a byte each: as above. */
export const narrowI16x8: Code = [0xfd, ...unsigned(0x65)]
/** Takes an address and a vector: stores its lower half. */
export const storeLowHalf = (offset: number): Code => [0xfd, ...unsigned(0x5b), 0, ...unsigned(offset), 0]
/** Whether any bit is 1. */
export const anyTrue: Code = [0xfd, ...unsigned(0x53)]

// Vectors of sixteen bytes.
export const loadI8x16 = (offset: number): Code => [0xfd, 0, 4, ...unsigned(offset)]
export const storeI8x16 = (offset: number): Code => [0xfd, 11, 4, ...unsigned(offset)]
/** One byte, in all sixteen lanes. */
export const loadI8Everywhere = (offset: number): Code => [0xfd, 7, 0, ...unsigned(offset)]
/** All ones where the first is greater, signed, else 0. */
export const gtI8x16: Code = [0xfd, ...unsigned(0x27)]
export const subI8x16: Code = [0xfd, ...unsigned(0x71)]
/** The greater of two unsigned bytes. */
export const maxU8x16: Code = [0xfd, ...unsigned(0x79)]
/** Takes a, b and a mask: the bits of a where the mask has ones, else those of b. */
export const selectBits: Code = [0xfd, ...unsigned(0x52)]
export const xorV128: Code = [0xfd, ...unsigned(0x51)]
export const andV128: Code = [0xfd, ...unsigned(0x4e)]

/** Takes target, source and length in bytes. */
export const copyMemory: Code = [0xfc, 10, 0, 0]

/** Runs `body`, and again for as long as `condition` leaves a value other than 0. */
export const repeatWhile = (body: Code, condition: Code): Code =>
  joined([0x03, noResult], body, condition, [0x0d, 0, 0x0b])

/** Runs `body` when `condition` leaves a value other than 0. */
export const when = (condition: Code, body: Code): Code => [...condition, 0x04, noResult, ...body, 0x0b]

/** Runs one of two bodies: the first when `condition` leaves a value other than 0. */
export const either = (condition: Code, body: Code, otherwise: Code): Code =>
  joined(condition, [0x04, noResult], body, [0x05], otherwise, [0x0b])

/** Runs the case that `index` leaves the number of; the index is below the number of cases. */
export function choose(index: Code, cases: readonly Code[]): Code {
  const count = cases.length
  const labels = cases.map((_, label) => label)
  return joined(
    [0x02, noResult, ...labels.flatMap(() => [0x02, noResult])],
    [...index, 0x0e, ...unsigned(count - 1), ...labels.flatMap((label) => unsigned(label))],
    // Each case is what stands behind the end of its block, and leaves the outermost block.
    ...cases.map((body, label) => joined([0x0b], body, [0x0c, ...unsigned(count - 1 - label)])),
    [0x0b],
  )
}

/** Code for each of 0..count-1, one after the other. */
export const forEach = (count: number, code: (index: number) => Code): Code =>
  Array.from({ length: count }, (_, index) => code(index)).flat()

export interface WasmFunction {
  readonly name: string
  /** Number of i32 parameters: locals 0, 1, … */
  readonly params: number
  /** Types of the further locals. */
  readonly locals: Code
  /** Ends with nothing on the stack. */
  readonly body: Code
}

const vector = (items: readonly Code[]): Code => joined(unsigned(items.length), ...items)
const section = (id: number, content: Code): Code => joined([id], unsigned(content.length), content)
const text = (value: string): Code => vector(Array.from(new TextEncoder().encode(value), (byte) => [byte]))

/** The bytes of a module that imports the memory `kernel.memory` and exports the functions, which return nothing. */
export function assemble(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ params }) => [0x60, ...vector(Array.from({ length: params }, () => [i32])), 0])
  const exported = functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)])
  const bodies = functions.map(({ locals, body }) => {
    const code = joined(vector(locals.map((type) => [1, type])), body, [0x0b])
    return joined(unsigned(code.length), code)
  })
  const head = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const imported = [...text('kernel'), ...text('memory'), 2, 0, ...unsigned(1)]
  return new Uint8Array(
    joined(
      head,
      section(1, vector(types)),
      section(2, vector([imported])),
      section(3, vector(functions.map((_, index) => unsigned(index)))),
      section(7, vector(exported)),
      section(10, vector(bodies)),
    ),
  )
}

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
  return { name: code.name, module: new api.Module(assemble([code])) }
}

/** Makes a compiled function run on a memory. */
export function instantiate({ name, module }: WasmModule, memory: WasmMemory): (...args: number[]) => void {
  return new api.Instance(module, { kernel: { memory } }).exports[name] as (...args: number[]) => void
}

/** Compiles a function to run on a memory. */
export const compile = (code: WasmFunction, memory: WasmMemory) => instantiate(compileModule(code), memory)
