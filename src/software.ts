/** What runs: read from the package once. */
import { readFileSync } from 'node:fs'

// dist/src/software.js and src/software.ts are one and two levels below the package.
const candidates = ['../package.json', '../../package.json']

function read(): { name: string; version: string } {
  for (const candidate of candidates) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(candidate, import.meta.url), 'utf8')) as {
        name: string
        version: string
      }
      return { name, version }
    } catch {
      // Not at this depth.
    }
  }
  return { name: 'deepwatch', version: '0.0.0' }
}

export const software = read()
