export { type Format, type FormatId, HEAD_BYTES, type Sample, TAIL_BYTES } from './format.ts'
export { formatOf } from './formats.ts'
export { missingWords, wordNumber } from './number-texts.ts'
export { endings, formatOfMediaType, isNamedAsTelemetry, recognise, recogniseFile, unpackedName } from './recognise.ts'
