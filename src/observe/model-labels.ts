/** The labels of models and versions, kept within their caps: the newest versions of the models that came first. */

const versionsPerModel = 5

/** The labels under which a version is counted. */
export interface VersionLabels {
  readonly model: string
  readonly version: string
}

/** What models past the cap are folded into. */
const other: VersionLabels = { model: 'other', version: 'other' }

export class ModelLabels {
  readonly #versions = new Map<string, Map<number, VersionLabels>>()
  readonly #models: number

  /** @param models how many models get a label of their own */
  constructor(models: number) {
    this.#models = models
  }

  /** The labels of a version that came into being; they exist from now on, where the caps leave room. */
  add(name: string, version: number): VersionLabels {
    const known = this.#versions.get(name) ?? new Map<number, VersionLabels>()
    if (!this.has(name) && this.#versions.size >= this.#models) return other
    if (!known.has(version) && (known.size < versionsPerModel || version > Math.min(...known.keys())))
      this.#versions.set(name, known.set(version, { model: name, version: String(version) }))
    return this.find(name, version) ?? this.folded(name)
  }

  /** The labels of a version that has its own. Never new ones: an answer may end when its version is deleted already. */
  find(name: string, version: number): VersionLabels | undefined {
    return this.#versions.get(name)?.get(version)
  }

  /** The labels under which all other versions of a model are counted. */
  folded(name: string): VersionLabels {
    return this.has(name) ? { model: name, version: 'other' } : other
  }

  /** Takes the labels of the oldest versions past the cap away, and gives them back: their series are to be removed. */
  trim(name: string): VersionLabels[] {
    const newestFirst = [...(this.#versions.get(name)?.keys() ?? [])].sort((a, b) => b - a)
    return newestFirst.slice(versionsPerModel).flatMap((version) => this.forgetVersion(name, version))
  }

  forgetVersion(name: string, version: number): VersionLabels[] {
    const labels = this.find(name, version)
    this.#versions.get(name)?.delete(version)
    return labels ? [labels] : []
  }

  forget(name: string): VersionLabels[] {
    const labels = [...(this.#versions.get(name)?.values() ?? [])]
    this.#versions.delete(name)
    return labels
  }

  has(name: string): boolean {
    return this.#versions.has(name)
  }
}
