import { type Code, constant, constantF64, get, loadI32, op, set } from '../wasm/index.ts'

/** Locals of 32 bits that compiled code needs for random numbers: the four words of the state, the last word drawn, and one more. */
export const randomLocals = 6

/** Code that draws what a `Random` would. */
export interface RandomCode {
  /** Takes the state from where `Random.state` was put. */
  readonly load: (address: number) => Code
  /** Draws the next word, into a local. */
  readonly nextWord: Code
  readonly word: number
  /** Leaves what `nextFloat` would return. */
  readonly nextFloat: Code
}

/** xoshiro128** (see `createRandom`) in the locals from `first` on. */
export function randomCode(first: number): RandomCode {
  const [a, b, c, d, word, shifted] = Array.from({ length: randomLocals }, (_, i) => first + i) as Locals
  const xorInto = (local: number, by: number) => [...get(local), ...get(by), op.i32Xor, ...set(local)]
  const nextWord = [
    ...[...get(b), ...constant(5), op.i32Mul, ...constant(7), op.i32Rotl, ...constant(9), op.i32Mul, ...set(word)],
    ...[...get(b), ...constant(9), op.i32Shl, ...set(shifted)],
    ...[...xorInto(c, a), ...xorInto(d, b), ...xorInto(b, c), ...xorInto(a, d), ...xorInto(c, shifted)],
    ...[...get(d), ...constant(11), op.i32Rotl, ...set(d)],
  ]
  const shareOf = (bits: number, unit: number) => [
    ...[...get(word), ...constant(bits), op.i32ShrU, op.f64FromI32, ...constantF64(unit), op.f64Mul],
  ]
  return {
    load: (address) => [a, b, c, d].flatMap((local, i) => [...constant(address + 4 * i), ...loadI32(0), ...set(local)]),
    nextWord,
    word,
    nextFloat: [...nextWord, ...shareOf(5, 2 ** -27), ...nextWord, ...shareOf(6, 2 ** -53), op.f64Add],
  }
}

type Locals = [number, number, number, number, number, number]
