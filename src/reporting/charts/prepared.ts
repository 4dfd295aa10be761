/** Charts that were compiled when the package was built, see `bundle.mjs`. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Runtime } from 'vega'
import { chartsFolder } from '../../places.ts'

/** The file for an outline. */
export function preparedName(text: string): string {
  return `${createHash('sha256').update(text).digest('hex').slice(0, 32)}.json`
}

/** What the outline was compiled to; null when it was not. */
export function preparedRuntime(text: string): Runtime | null {
  try {
    return JSON.parse(readFileSync(new URL(preparedName(text), chartsFolder), 'utf8')) as Runtime
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
