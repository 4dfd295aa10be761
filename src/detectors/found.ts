import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadDetectors } from './discovery.ts'

/**
 * Every detector of this folder by its id. The same code serves compiled and not: files end as this one does. In what is bundled,
 * `bundle.mjs` puts a list of imports in the place of this module, and the folder is not read at each start.
 */
export const detectors = await loadDetectors(new URL('.', import.meta.url), extname(fileURLToPath(import.meta.url)))
