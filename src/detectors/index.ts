import { readdirSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import type { Detector, DetectorParams } from './detector.ts'

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
} as const satisfies Record<keyof Detector, string>

/** What stands in the folder of the detectors without being one. */
const others = new Set(['index', 'detector', 'settings', 'per-entity'])

/**
 * Imports every detector in a folder, in the order of the file names. The same code serves compiled
 * and not: files end as this one does.
 *
 * @throws Error when a file exports no detector, a detector lacks a part, or two have the same id:
 *   the service must not start with half of its algorithms
 */
export async function loadDetectors(folder: URL): Promise<ReadonlyMap<string, Detector>> {
  const ending = extname(fileURLToPath(import.meta.url))
  const names = readdirSync(folder)
    .filter((name) => extname(name) === ending && !name.endsWith('.d.ts') && !others.has(name.slice(0, -ending.length)))
    .sort()
  const found = new Map<string, Detector>()
  for (const name of names) {
    const { detector } = (await import(new URL(name, folder).href)) as { detector?: Detector }
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

/** Every detector by its id. */
export const detectors = await loadDetectors(new URL('.', import.meta.url))

/**
 * The `detector` member of the training settings: the settings of one of the detectors, told apart by
 * `type`, with their defaults filled in.
 */
export const detectorSettings = z.discriminatedUnion(
  'type',
  membersOf(detectors),
) as unknown as z.ZodType<DetectorParams>

function membersOf(found: ReadonlyMap<string, Detector>): [z.ZodObject] {
  return [...found.values()].map(({ params }) => params) as unknown as [z.ZodObject]
}

/** The settings when a request gives none. */
export const defaultDetector: DetectorParams = detectorSettings.parse({ type: 'isolation-forest' })

/** The detector with this id. @throws DeepWatchError `model_version_unsupported` */
export function findDetector(id: string): Detector {
  const detector = detectors.get(id)
  if (detector !== undefined) return detector
  throw new DeepWatchError('model_version_unsupported', 'The model was made with a detector that is not known here.')
}
