/** What runs: read from the package once. */
import { readFileSync } from 'node:fs'
import { packageFile } from './places.ts'

const { name, version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { name: string; version: string }

export const software = { name, version }
