import { add, after, type Body, int, type Local, load, mul, rotl, set, shl, shr, toFloat, xor } from '../wasm/index.ts'

/** Variables that compiled code needs for random numbers: the four words of the state, the last word drawn, and one more. */
export const randomLocals = 6

/** Code that draws what a `Random` would: xoshiro128** (see `createRandom`) in `randomLocals` variables. */
export function randomCode(variable: (index: number) => Local<'i32'>) {
  const [a, b, c, d, word, shifted] = [variable(0), variable(1), variable(2), variable(3), variable(4), variable(5)]
  const xorInto = (local: Local<'i32'>, by: Local<'i32'>) => set(local, xor(local, by))
  const nextWord = [
    set(word, mul(rotl(mul(b, 5), 7), 9)),
    set(shifted, shl(b, 9)),
    ...[xorInto(c, a), xorInto(d, b), xorInto(b, c), xorInto(a, d), xorInto(c, shifted)],
    set(d, rotl(d, 11)),
  ]
  const upperBits = (dropped: number, unit: number) => after(nextWord, mul(toFloat(shr(word, dropped)), unit))
  return {
    /** Takes the state from where `Random.state` was put. */
    loadState: (address: number): Body => [a, b, c, d].map((local, i) => set(local, load('i32', int(address + 4 * i)))),
    /** Draws the next word into `word`. */
    nextWord,
    word,
    /** What `nextFloat` would return. */
    nextFloat: add(upperBits(5, 2 ** -27), upperBits(6, 2 ** -53)),
  }
}
