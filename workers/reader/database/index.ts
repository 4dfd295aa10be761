export { connect, type Database, lockDatabase, openDatabase } from './database.ts'
export { Feed, type FeedColumn, type FeedType, type FeedWalk, writeNumbers } from './feed.ts'
export { type OpenFile, openFiles } from './files.ts'

export * from './query.ts'
export * from './relation.ts'
export * from './statements.ts'

export { TextBuffer } from './text.ts'
export { CHUNK_ROWS, type Chunk, type ChunkTarget, isValid, type Texts } from './vectors.ts'
