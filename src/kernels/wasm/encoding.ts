/** The bytes of WebAssembly: WebAssembly Core Specification 2.0, chapter 5 (binary format). */
export type Code = readonly number[]

/** Pieces one after the other. Long ones are not spread, which goes byte by byte while this code is young. */
export const joined = (...pieces: readonly Code[]): Code => ([] as number[]).concat(...pieces)

/** Types of variables. */
export const valueTypes = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const
export type ValueType = keyof typeof valueTypes

/** Unsigned LEB128; value below 2^32. */
export function unsigned(value: number): number[] {
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

const bytesOf = (...values: readonly number[]): number[] => [...new Uint8Array(Float64Array.from(values).buffer)]

/** Code that leaves a constant. */
export const constantCode = {
  i32: (value: number): Code => [0x41, ...signed(value)],
  f64: (value: number): Code => [0x44, ...bytesOf(value)],
  f64x2: (low: number, high: number): Code => [0xfd, 12, ...bytesOf(low, high)],
}

const vector = (items: readonly Code[]): Code => joined(unsigned(items.length), ...items)
const section = (id: number, content: Code): Code => joined([id], unsigned(content.length), content)
const text = (value: string): Code => vector(Array.from(new TextEncoder().encode(value), (byte) => [byte]))

/** A function whose parameters are the first variables, of type i32, and whose code leaves nothing. */
export interface WasmFunction {
  readonly name: string
  readonly params: number
  /** One per variable. */
  readonly types: readonly ValueType[]
  readonly code: Code
}

/** The bytes of a module that imports the memory `kernel.memory` and exports one function. */
export function assemble({ name, params, types, code }: WasmFunction): Uint8Array<ArrayBuffer> {
  const locals = types.slice(params).map((type) => [1, valueTypes[type]])
  const body = joined(vector(locals), code, [0x0b])
  const parameters = types.slice(0, params).map((type) => [valueTypes[type]])
  return new Uint8Array(
    joined(
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector([joined([0x60], vector(parameters), [0])])),
      section(2, vector([joined(text('kernel'), text('memory'), [2, 0, 1])])),
      section(3, vector([[0]])),
      section(7, vector([joined(text(name), [0, 0])])),
      section(10, vector([joined(unsigned(body.length), body)])),
    ),
  )
}
