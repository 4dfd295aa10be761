export { layRanked, type RankedForest } from './layout.ts'
export { canRank, createRankedScorer, hasPieces, paysToRank, scoreRanked, type WalkedRows } from './scorer.ts'
export { operationBytes } from './walk-code.ts'
export { createRankedKernel, type RankedModules, rankedMemoryBytes, rankedModules } from './wasm.ts'
