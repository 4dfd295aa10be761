export {
  BLOCK_HEAD_BYTES,
  type Command,
  type CommandFile,
  exchangePlaces,
  type Failure,
  FRAME,
  frameHeader,
  type OpenCommand,
  type ReaderStart,
} from './frames.ts'
export { createReaders, readerLimits } from './reader.ts'
export { usable } from './refusal.ts'
export { MAX_BLOCKS } from './session.ts'
export type * from './types.ts'
export { intervalRows } from './types.ts'
