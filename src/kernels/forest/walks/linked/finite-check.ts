import {
  add,
  declare,
  defineFunction,
  doubles,
  increase,
  type Local,
  load,
  lt,
  mul,
  repeatWhile,
  set,
  store,
  tee,
  type WasmFunction,
} from '../../../wasm/index.ts'

/**
 * A look for values that are not finite: adds 0 times each value from `at` to `end` (byte addresses, a multiple of 32 apart) and
 * leaves two sums at `target`. Both are 0 when every value is finite, else at least one is NaN.
 */
export function finiteCheck(): WasmFunction {
  const frame = declare({ at: 'i32', end: 'i32', target: 'i32' }, { zero: 'f64x2', even: 'f64x2', odd: 'f64x2' })
  const { at, end, target, zero, even, odd } = frame.variables
  const addTo = (sum: Local<'f64x2'>, offset: number) => set(sum, add(mul(load('f64x2', at, offset), zero), sum))
  return defineFunction('check', frame, [
    set(odd, tee(even, tee(zero, doubles(0, 0)))),
    repeatWhile(lt(at, end), [addTo(even, 0), addTo(odd, 16), increase(at, 32)]),
    store('f64x2', target, add(even, odd)),
  ])
}
