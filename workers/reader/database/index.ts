export { connect, type Database, lockDatabase, openDatabase } from './database.ts'
export { Feed, type FeedColumn, type FeedType, type FeedWalk, writeNumbers } from './feed.ts'
export { type OpenFile, openFiles } from './files.ts'
export {
  type Bindable,
  type Cell,
  chunksOf,
  requireDoubles,
  rowsOf,
  runStatement,
  streamStatement,
  type Values,
} from './query.ts'
export {
  COUNTED_POSITION,
  checkNames,
  columnError,
  columnOf,
  decodable,
  foldCase,
  kindOfType,
  type Relation,
  type RelationColumn,
  type RelationInput,
  SQL_TYPES,
  show,
} from './relation.ts'
export { fill, quoteName, quoteText, statement } from './statements.ts'
export { TextBuffer } from './text.ts'
export { CHUNK_ROWS, type Chunk, type ChunkTarget, isValid, type Texts } from './vectors.ts'
