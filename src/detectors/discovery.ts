import { readdirSync } from 'node:fs'
import type { Detector } from './detector.ts'

/** What a detector must have. */
const parts = {
  id: 'string',
  title: 'string',
  paper: 'string',
  params: 'object',
  autoThreshold: 'any',
  isCalibrated: 'boolean',
  reservoirs: 'function',
  mostBytes: 'function',
  resolve: 'function',
  pieces: 'function',
  fitPiece: 'function',
  join: 'function',
  check: 'function',
  describe: 'function',
  tree: 'function',
  createScorer: 'function',
} as const satisfies Record<Exclude<keyof Detector, 'fewRows'>, string>

/** What stands in the folder of the detectors without being one. */
const others = new Set(['index', 'detector', 'discovery', 'found', 'settings', 'per-entity'])

/** Of the names of files those that must be detectors, in order. `ending` is `.ts` or `.js`. */
export function detectorFiles(names: readonly string[], ending: string): string[] {
  return names
    .filter((name) => name.endsWith(ending) && !name.endsWith('.d.ts') && !others.has(name.slice(0, -ending.length)))
    .sort()
}

/**
 * The detectors that files export, by id, in the order of the files.
 *
 * @param modules name of each file, and what it exports
 * @throws Error when a file exports no detector, a detector lacks a part, or two have the same id:
 *   the service must not start with half of its algorithms
 */
export function gather(modules: readonly (readonly [file: string, module: object])[]): ReadonlyMap<string, Detector> {
  const found = new Map<string, Detector>()
  for (const [name, module] of modules) {
    const { detector } = module as { detector?: Detector }
    if (detector === undefined) throw new Error(`${name} exports no detector`)
    for (const [part, kind] of Object.entries(parts)) {
      const value = (detector as unknown as Record<string, unknown>)[part]
      if (kind === 'any' ? value === undefined : typeof value !== kind) throw new Error(`${name} lacks ${part}`)
    }
    if (found.has(detector.id)) throw new Error(`${name} has the id ${detector.id}, which another detector has`)
    found.set(detector.id, detector)
  }
  return found
}

/** Imports every detector in a folder, whose files end with `ending`. Errors: those of `gather`. */
export async function loadDetectors(folder: URL, ending: string): Promise<ReadonlyMap<string, Detector>> {
  const modules: [string, object][] = []
  for (const name of detectorFiles(readdirSync(folder), ending)) {
    modules.push([name, (await import(new URL(name, folder).href)) as object])
  }
  return gather(modules)
}
