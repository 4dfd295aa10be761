/** The labels of models and versions, kept within their caps: the newest versions of the models that came first. */

const versionsPerModel = 5

export interface VersionLabels {
  readonly model: string
  readonly version: string
}

/** What models past the cap are folded into. */
const other: VersionLabels = { model: 'other', version: 'other' }

/** @param models how many models get a label of their own */
export function createModelLabels(models: number) {
  const known = new Map<string, Map<number, VersionLabels>>()

  const has = (name: string) => known.has(name)
  /** The labels of a version that has its own. Never new ones: an answer may end when its version is deleted already. */
  const find = (name: string, version: number) => known.get(name)?.get(version)
  /** The labels under which all other versions of a model are counted. */
  const folded = (name: string): VersionLabels => (has(name) ? { model: name, version: 'other' } : other)

  /** The labels of a version that came into being; they exist from now on, where the caps leave room. */
  function add(name: string, version: number): VersionLabels {
    const versions = known.get(name) ?? new Map<number, VersionLabels>()
    if (!has(name) && known.size >= models) return other
    if (!versions.has(version) && (versions.size < versionsPerModel || version > Math.min(...versions.keys())))
      known.set(name, versions.set(version, { model: name, version: String(version) }))
    return find(name, version) ?? folded(name)
  }

  /** Takes the labels of a version away, and gives them back: their series are to be removed. */
  function forgetVersion(name: string, version: number): VersionLabels[] {
    const labels = find(name, version)
    known.get(name)?.delete(version)
    return labels ? [labels] : []
  }

  /** The same for the oldest versions past the cap. */
  function trim(name: string): VersionLabels[] {
    const newestFirst = [...(known.get(name)?.keys() ?? [])].sort((a, b) => b - a)
    return newestFirst.slice(versionsPerModel).flatMap((version) => forgetVersion(name, version))
  }

  /** The same for a model. */
  function forget(name: string): VersionLabels[] {
    const labels = [...(known.get(name)?.values() ?? [])]
    known.delete(name)
    return labels
  }

  return { has, find, folded, add, forgetVersion, trim, forget }
}
