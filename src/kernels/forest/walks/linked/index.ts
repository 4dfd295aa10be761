export { createLinkedKernel, linkedMemoryBytes, linkedModule } from './kernel.ts'
export { type LinkedShape, layLinked, linkedBytes, shapeOf } from './layout.ts'
export { createLinkedScorer, scoreLinked, type WalkedRows } from './scorer.ts'
