import { DeepWatchError } from '../errors.ts'
import type { Detector, DetectorParams } from './detector.ts'
import { detector as ensemble } from './ensemble.ts'
import { detector as extendedIsolationForest } from './extended-isolation-forest.ts'
import { detector as isolationForest } from './isolation-forest.ts'
import { detector as nearestNeighbours } from './k-nearest-neighbours.ts'
import { detector as mahalanobis } from './mahalanobis.ts'

/** Every detector, in the order in which the schema of the training settings shows them. A new one is added here. */
const all: readonly Detector[] = [ensemble, extendedIsolationForest, isolationForest, nearestNeighbours, mahalanobis]

/** The detectors by id. */
export const detectors: ReadonlyMap<string, Detector> = new Map(all.map((detector) => [detector.id, detector]))

/** The settings when a request gives none. */
export const defaultDetector: DetectorParams = isolationForest.params.parse({ type: isolationForest.id })

/** The detector with this id. @throws DeepWatchError `model_version_unsupported` */
export function findDetector(id: string): Detector {
  const detector = detectors.get(id)
  if (detector !== undefined) return detector
  throw new DeepWatchError('model_version_unsupported', 'The model was made with a detector that is not known here.')
}
