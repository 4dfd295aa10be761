export { type Packing, packingOf } from './packing.ts'
export { isCompression, titleOf, unpack, unpackWhole } from './unpack.ts'
export type { Unzstd } from './unzstd.ts'
