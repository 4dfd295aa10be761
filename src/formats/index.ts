export { type Format, type FormatId, HEAD_BYTES, type Sample, TAIL_BYTES } from './format.ts'
export { formatOf } from './formats.ts'
export { formatOfMediaType, recognise, recogniseFile } from './recognise.ts'
