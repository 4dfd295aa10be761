import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import type { Detector, DetectorParams } from './detector.ts'
import { detectors } from './found.ts'

export { detectors }

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
