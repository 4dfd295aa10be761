export { type FileIdentity, identityOf } from './paths.ts'
export { createScratch, type Scratch } from './scratch.ts'
export { createSources, type FormatId, type Source, type Sources } from './sources.ts'
