/**
 * WebAssembly written as expressions: `set(row, add(row, 8))`. Variables have names and types, expressions have the type of their
 * value, statements have none. A number stands for a constant of the other operand's type. Addresses are in bytes.
 */
import { type Code, constantCode, joined, unsigned, type ValueType, valueTypes, type WasmFunction } from './encoding.ts'

/** Types of values. A vector's 128 bits are seen as numbers of one shape; integers are unsigned unless told. */
export type Type = 'i32' | 'f64' | Vector
type Vector = 'f64x2' | 'i32x4' | 'i16x8' | 'i8x16'
/** A comparison gives 1 or 0, of vectors all ones or zeros in each place. */
type Truth<T extends Type> = T extends Vector ? T : 'i32'

export interface Expression<T extends Type> {
  readonly type: T
  readonly code: Code
}
export interface Statement {
  readonly effect: Code
}
/** Statements one after the other. */
export type Body = Statement | readonly Body[]
export interface Local<T extends Type> extends Expression<T> {
  readonly index: number
}
type Operand<T extends Type> = Expression<T> | number

const expression = <T extends Type>(type: T, ...code: readonly Code[]): Expression<T> => ({
  type,
  code: joined(...code),
})
const statement = (...code: readonly Code[]): Statement => ({ effect: joined(...code) })
const effectOf = (body: Body): Code => ('effect' in body ? body.effect : joined(...body.map(effectOf)))

/** Constants, for where no other operand tells the type. */
export const int = (value: number) => expression('i32', constantCode.i32(value))
const float = (value: number) => expression('f64', constantCode.f64(value))
export const doubles = (low: number, high: number) => expression('f64x2', constantCode.f64x2(low, high))

function asExpression<T extends Type>(operand: Operand<T>, type: T): Expression<T> {
  if (typeof operand !== 'number') return operand
  return (type === 'i32' ? int(operand) : float(operand)) as Expression<Type> as Expression<T>
}

/** How an operation is encoded for each type it knows. */
type Opcodes = Partial<Record<Type, Code>>
const vectorOp = (opcode: number): Code => [0xfd, ...unsigned(opcode)]

function operation<T extends Type, R extends Type>(opcodes: Opcodes, a: Operand<T>, b: Operand<T>, result?: R) {
  const type = (typeof a === 'number' ? (b as Expression<T>) : a).type
  const opcode = opcodes[type]
  if (!opcode) throw new TypeError(`the operation does not exist for ${type}`)
  return expression((result ?? type) as R, asExpression(a, type).code, asExpression(b, type).code, opcode)
}
const binary =
  (opcodes: Opcodes) =>
  <T extends Type>(a: Operand<T>, b: Operand<T>) =>
    operation<T, T>(opcodes, a, b)
const comparison =
  (opcodes: Opcodes) =>
  <T extends Type>(a: Operand<T>, b: Operand<T>) => {
    const { type } = typeof a === 'number' ? (b as Expression<T>) : a
    return operation<T, Truth<T>>(opcodes, a, b, (type === 'f64' ? 'i32' : type) as Truth<T>)
  }
const unary =
  <T extends Type, R extends Type>(result: R, opcode: Code) =>
  (value: Expression<T>) =>
    expression(result, value.code, opcode)

export const add = binary({ i32: [0x6a], f64: [0xa0], f64x2: vectorOp(0xf0), i16x8: vectorOp(0x8e) })
export const sub = binary({
  ...{ i32: [0x6b], f64: [0xa1], f64x2: vectorOp(0xf1), i16x8: vectorOp(0x91), i8x16: vectorOp(0x71) },
})
export const mul = binary({ i32: [0x6c], f64: [0xa2], f64x2: vectorOp(0xf2) })
export const div = binary({ i32: [0x6e] })
export const rem = binary({ i32: [0x70] })
export const and = binary({ i32: [0x71], f64x2: vectorOp(0x4e), i16x8: vectorOp(0x4e), i8x16: vectorOp(0x4e) })
export const or = binary({ i32: [0x72] })
export const xor = binary({ i32: [0x73], f64x2: vectorOp(0x51) })
export const shl = binary({ i32: [0x74] })
export const rotl = binary({ i32: [0x77] })
/** The lower of two; the second unless the first is greater, so that a NaN in the second stays. */
export const min = binary({ f64x2: vectorOp(0xf6) })
/** The second of two when it is greater, else the first: the first also when the second is NaN. */
export const max = binary({ f64x2: vectorOp(0xf7), i8x16: vectorOp(0x79) })
export const lt = comparison({ i32: [0x49], f64: [0x63] })
export const le = comparison({ f64: [0x65] })
export const ge = comparison({ f64: [0x66] })
/** Of bytes: signed. */
export const gt = comparison({ i32: [0x4b], f64: [0x64], f64x2: vectorOp(0x4a), i8x16: vectorOp(0x27) })

export const not = unary<'i32', 'i32'>('i32', [0x45])
export const neg = unary<'f64', 'f64'>('f64', [0x9a])
export const abs = unary<'f64', 'f64'>('f64', [0x99])
/** From a signed integer. */
export const toFloat = unary<'i32', 'f64'>('f64', [0xb7])
export const isNegative = (value: Expression<'i32'>) => expression('i32', value.code, int(0).code, [0x48])
/** Every number of a vector shifted by as many bits. */
export const shr = <T extends 'i32' | 'i16x8'>(value: Expression<T>, bits: number) =>
  expression(value.type, value.code, int(bits).code, value.type === 'i32' ? [0x76] : vectorOp(0x8d))
/** The first where the condition is not 0, else the second. */
export const select = <T extends Type>(a: Expression<T>, b: Expression<T>, condition: Expression<'i32'>) =>
  expression(a.type, a.code, b.code, condition.code, [0x1b])

/** The bits of the first where the mask has ones, else those of the second. */
export const selectBits = <T extends Vector>(a: Expression<T>, b: Expression<T>, mask: Expression<T>) =>
  expression(a.type, a.code, b.code, mask.code, vectorOp(0x52))
/** One integer in all places. */
export const splat16 = (value: number) => expression('i16x8', int(value).code, vectorOp(0x10))
/** One half of a vector, 0 or 1. */
export const half = (value: Expression<'f64x2'>, which: number) => expression('f64', value.code, [0xfd, 33, which])
/** The lower 32 bits of one half, 0 or 1. */
export const lowBits = (value: Expression<'f64x2'>, which: number) =>
  expression('i32', value.code, [0xfd, 27, 2 * which])
/** The lower 32 bits of the four halves of two vectors. */
export const lowHalves = (a: Expression<'f64x2'>, b: Expression<'f64x2'>) =>
  expression('i32x4', a.code, b.code, [0xfd, 13, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27])
/** The signed integers of two vectors in half of their bits each: those that do not fit become the nearest that does. */
export const narrow16 = (a: Expression<'i32x4'>, b: Expression<'i32x4'>) =>
  expression('i16x8', a.code, b.code, vectorOp(0x85))
export const narrow8 = (a: Expression<'i16x8'>, b: Expression<Vector>) =>
  expression('i8x16', a.code, b.code, vectorOp(0x65))
/** Whether any bit is 1. */
export const anyBit = (value: Expression<Vector>) => expression('i32', value.code, vectorOp(0x53))

/** A type in memory. */
type Stored = 'u8' | 'u16' | 'i32' | 'f64' | 'f64x2' | 'i8x16' | 'i16x8'
type Loaded<S extends Stored> = S extends 'u8' | 'u16' ? 'i32' : Exclude<S, 'u8' | 'u16'>
const vectorAccess = { load: [0xfd, 0, 4], store: [0xfd, 11, 4] }
/** Opcodes; the operand behind each is the alignment as a power of two, a hint. */
const accesses: Readonly<Record<Stored, { readonly load: Code; readonly store: Code }>> = {
  u8: { load: [0x2d, 0], store: [0x3a, 0] },
  u16: { load: [0x2f, 1], store: [0x3b, 1] },
  i32: { load: [0x28, 2], store: [0x36, 2] },
  f64: { load: [0x2b, 3], store: [0x39, 3] },
  ...{ f64x2: vectorAccess, i8x16: vectorAccess, i16x8: vectorAccess },
}
type Address = Expression<'i32'>

export const load = <S extends Stored>(type: S, address: Address, offset = 0) => {
  const loaded = type === 'u8' || type === 'u16' ? 'i32' : type
  return expression(loaded as Loaded<S>, address.code, accesses[type].load, unsigned(offset))
}
export const store = <S extends Stored>(type: S, address: Address, value: Operand<Loaded<S>>, offset = 0) => {
  const loaded = (type === 'u8' || type === 'u16' ? 'i32' : type) as Loaded<S>
  return statement(address.code, asExpression(value, loaded).code, accesses[type].store, unsigned(offset))
}
/** One number in all places. */
export const loadSplat = <T extends 'f64x2' | 'i8x16'>(type: T, address: Address, offset = 0) =>
  expression(type, address.code, type === 'f64x2' ? [0xfd, 10, 3] : [0xfd, 7, 0], unsigned(offset))
/** One double in the lower half, 0 in the upper. */
export const loadLow = (address: Address, offset: number) =>
  expression('f64x2', address.code, vectorOp(0x5d), [3], unsigned(offset))
/** The vector with the double at the address in its upper half. */
export const loadHigh = (address: Address, vector: Expression<'f64x2'>, offset: number) =>
  expression('f64x2', address.code, vector.code, vectorOp(0x57), [3], unsigned(offset), [1])
/** The vector with the integer at the address in one place. */
export const loadLane16 = (address: Address, vector: Expression<'i16x8'>, lane: number) =>
  expression('i16x8', address.code, vector.code, vectorOp(0x55), [1, 0, lane])
export const storeLowHalf = (address: Address, vector: Expression<Vector>) =>
  statement(address.code, vector.code, vectorOp(0x5b), [0, 0, 0])

export const set = <T extends Type>(local: Local<T>, value: Operand<T>) =>
  statement(asExpression(value, local.type).code, [0x21], unsigned(local.index))
/** Sets a variable; the value of that. */
export const tee = <T extends Type>(local: Local<T>, value: Operand<T>) =>
  expression(local.type, asExpression(value, local.type).code, [0x22], unsigned(local.index))
export const increase = (local: Local<'i32'>, by: Operand<'i32'>) => set(local, add(local, by))

/** A value after statements. */
export const after = <T extends Type>(body: Body, value: Expression<T>) =>
  expression(value.type, effectOf(body), value.code)
/** A value as it was before statements. */
export const before = <T extends Type>(body: Body, value: Expression<T>) =>
  expression(value.type, value.code, effectOf(body))

/** Code for each of 0..count-1. */
export const times = (count: number, body: (index: number) => Body): Body =>
  Array.from({ length: count }, (_, i) => body(i))

const noResult = 0x40

/** Does the body, and again as long as the condition holds. */
export const repeatWhile = (condition: Expression<'i32'>, body: Body) =>
  statement([0x03, noResult], effectOf(body), condition.code, [0x0d, 0, 0x0b])

export const when = (condition: Expression<'i32'>, body: Body, otherwise?: Body) =>
  statement(condition.code, [0x04, noResult], effectOf(body), otherwise ? [0x05, ...effectOf(otherwise)] : [], [0x0b])

/** Does the case of that number; the index is below the number of cases. */
export function choose(index: Expression<'i32'>, cases: readonly Body[]): Statement {
  const count = cases.length
  const labels = cases.map((_, label) => label)
  return statement(
    [0x02, noResult, ...labels.flatMap(() => [0x02, noResult])],
    [...index.code, 0x0e, ...unsigned(count - 1), ...labels.flatMap((label) => unsigned(label))],
    // Each case is what stands behind the end of its block, and leaves the outermost block.
    ...cases.map((body, label) => joined([0x0b], effectOf(body), [0x0c, ...unsigned(count - 1 - label)])),
    [0x0b],
  )
}

/** Variables by name: their type, or how many there are of a type. */
type Declarations = Readonly<Record<string, Type | readonly [Type, number]>>
type Variables<D extends Declarations> = {
  readonly [Name in keyof D]: D[Name] extends readonly [infer T extends Type, number]
    ? (index: number) => Local<T>
    : D[Name] extends Type
      ? Local<D[Name]>
      : never
}

/** Declares the parameters, all i32, and the locals of a function, in their order. */
export function declare<const P extends Declarations, const L extends Declarations>(params: P, locals: L) {
  const types: ValueType[] = []
  const declared = (type: Type): Local<Type> => {
    const index = types.push(type in valueTypes ? (type as ValueType) : 'v128') - 1
    return { ...expression(type, [0x20], unsigned(index)), index }
  }
  const variableOf = (declaration: Type | readonly [Type, number]) => {
    if (typeof declaration === 'string') return declared(declaration)
    const [type, count] = declaration
    const all = Array.from({ length: count }, () => declared(type))
    return (index: number) => all[index]
  }
  const variablesOf = (all: Declarations) =>
    Object.entries(all).map(([name, type]) => [name, variableOf(type)] as const)
  const first = variablesOf(params)
  const count = types.length
  const variables = Object.fromEntries([...first, ...variablesOf(locals)]) as unknown as Variables<P & L>
  return { variables, types, params: count }
}

/** @param frame from `declare` */
export function defineFunction(name: string, frame: Pick<WasmFunction, 'params' | 'types'>, body: Body): WasmFunction {
  const { params, types } = frame
  return { name, params, types, code: effectOf(body) }
}
