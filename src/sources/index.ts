export { type FileIdentity, identityOf } from './paths.ts'
export { createScratch, type Scratch } from './scratch.ts'
export type { Source } from './source.ts'
export { createSources, type Sources } from './sources.ts'
