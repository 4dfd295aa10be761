/** The entities that have models of their own in a version, as the service needs them: names, ranges, trees. */
import { findDetector, guardsOfEntity, readPayload, type TreeNode } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import { decodeFleet, type Fleet, fleetNames, type Guards } from '../kernels/scores/index.ts'
import type { VersionDocument } from '../schemas/index.ts'
import type { ModelHandle } from './registry.ts'

export interface EntityModels {
  /** In the order of their numbers. */
  readonly names: readonly string[]
  /** What the values of a row are held against, by the number of its entity; `guards` for those without a model. */
  guardsOf(entity: number, guards: Guards): Guards
}

/** Found once for each payload in memory. */
const known = new WeakMap<SharedArrayBuffer, EntityModels>()

const readFleet = (payload: SharedArrayBuffer): Fleet => readPayload(decodeFleet, new Uint8Array(payload))

/** The entity models of a version; null when it has one model for all. @throws DeepWatchError `model_corrupt` */
export function entityModelsOf({ document, payload }: ModelHandle<VersionDocument>): EntityModels | null {
  if (!document.perEntity) return null
  const found = known.get(payload)
  if (found) return found
  const fleet = readFleet(payload)
  const models: EntityModels = {
    names: readPayload(fleetNames, new Uint8Array(payload)),
    guardsOf: (entity, guards) => guardsOfEntity(fleet, entity, guards),
  }
  known.set(payload, models)
  return models
}

/** A tree of the one model, the shared one (`entity` null) or an entity's own. Errors: `entity_not_found`, `tree_not_found`, `model_corrupt`. */
export function treeOfVersion(
  handle: ModelHandle<VersionDocument>,
  entity: string | null,
  index: number,
): readonly TreeNode[] {
  const { document, payload } = handle
  const detector = findDetector(document.detector.type)
  if (!document.perEntity && entity === null) return detector.tree(new Uint8Array(payload), index)
  const number = entity === null ? null : (entityModelsOf(handle)?.names.indexOf(entity) ?? -1)
  if (number === -1) throw new DeepWatchError('entity_not_found', 'No entity of this name has a model of its own.')
  const fleet = readFleet(payload)
  return detector.tree((number === null ? null : fleet.modelOf(number)) ?? fleet.shared, index)
}
