export * from './expression.ts'
export * from './memory.ts'
