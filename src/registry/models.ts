/** What can be asked about models, and done to them, by name and number as an address gives them. */
import type { TreeNode } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { RemovalReason, VersionDocument } from '../schemas/index.ts'
import { treeOfVersion } from './entity-models.ts'
import { checkName, type Registry } from './registry.ts'

/** A version document with what changes over time: whether the version serves. */
export type ShownVersion = VersionDocument & { readonly serving: boolean }

export interface ModelsParts {
  readonly registry: Registry<VersionDocument>
  /** Called when a version is gone for good; waited for, must not throw. */
  readonly onVersionRemoved: (model: string, version: number) => Promise<void>
  readonly onModelRemoved: (model: string) => Promise<void>
  /** So many versions went, and why. */
  readonly onRemoved: (reason: RemovalReason, versions: number) => void
}

/** Names and numbers come as the address gives them; a malformed one is `invalid_id`, an endless one `uri_too_long`. */
export function createModels({ registry, onVersionRemoved, onModelRemoved, onRemoved }: ModelsParts) {
  return {
    list: (page: Parameters<typeof registry.list>[0]) => registry.list(page),
    model: (name: string) => registry.get(modelId(name)),
    version(name: string, version: string): ShownVersion {
      const document = registry.document(modelId(name), wholeId(version, 'version', 1))
      return { ...document, serving: registry.get(name).serving === document.version }
    },
    /** A tree of the shared model, or of that of `entity`. Errors: `entity_not_found`, `tree_not_found`, `model_corrupt` and those of the registry. */
    async tree(name: string, version: string, index: string, entity?: string) {
      const handle = await registry.resolve(`${modelId(name)}@${wholeId(version, 'version', 1)}`)
      const { features } = handle.document
      const nodes = treeOfVersion(handle, entity ?? null, wholeId(index, 'tree', 0))
      return {
        model: handle.name,
        version: handle.version,
        index: Number(index),
        ...(entity !== undefined && { entity }),
        nodes: nodes.map((node) => named(node, (feature) => features[feature]!.name)),
      }
    },
    serve: (name: string, version: number) => registry.setServing(modelId(name), version),
    async removeModel(name: string): Promise<void> {
      onRemoved('deleted', await registry.removeModel(modelId(name)))
      await onModelRemoved(name)
    },
    async removeVersion(name: string, version: string): Promise<void> {
      const number = wholeId(version, 'version', 1)
      await registry.removeVersion(modelId(name), number)
      onRemoved('deleted', 1)
      await onVersionRemoved(name, number)
      if (!registry.has(name)) await onModelRemoved(name)
    },
    /** Removes what is older than the newest `keep` versions of a model; 0 keeps all. Gives the numbers removed. See `Registry.expire`. */
    async expire(name: string, keep: number): Promise<readonly number[]> {
      if (keep === 0) return []
      const removed = await registry.expire(name, keep)
      onRemoved('expired', removed.length)
      for (const version of removed) await onVersionRemoved(name, version)
      return removed
    },
  }
}

function named(node: TreeNode, nameOf: (feature: number) => string): object {
  if ('feature' in node) return { ...node, feature: nameOf(node.feature) }
  if ('cut' in node) return { ...node, cut: node.cut.map((part) => ({ ...part, feature: nameOf(part.feature) })) }
  return node
}

const maxIdLength = 255
const modelId = (text: string) => checkName(refuseEndless(text))

function wholeId(text: string, what: string, min: number): number {
  refuseEndless(text)
  if (/^(0|[1-9]\d{0,8})$/.test(text) && Number(text) >= min) return Number(text)
  throw new DeepWatchError('invalid_id', `A ${what} is a whole number from ${min}.`)
}

function refuseEndless(text: string): string {
  if (text.length <= maxIdLength) return text
  throw new DeepWatchError('uri_too_long', 'A part of the address is too long.')
}
