export { collectOften } from './collect.ts'
export { type Database, lockDatabase, openDatabase } from './database.ts'
export {
  type Bindable,
  type Cell,
  CHUNK_ROWS,
  type Chunk,
  type ChunkTarget,
  Connection,
  isValid,
  type Texts,
  TYPE,
  type Values,
} from './duckdb.ts'
export { Feed, type FeedColumn, type FeedWalk, writeNumbers } from './feed.ts'
export { type OpenFile, openFiles } from './files.ts'
export {
  COUNTED_POSITION,
  checkNames,
  columnOf,
  foldCase,
  kindOfType,
  type Relation,
  type RelationColumn,
  type RelationInput,
  show,
} from './relation.ts'
export { fill, quoteName, quoteText, statement } from './statements.ts'
export { TextBuffer } from './text.ts'
