export type { WasmFunction } from './encoding.ts'
export * from './expression.ts'
export * from './memory.ts'
