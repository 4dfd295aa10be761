/** The format this software writes. Older ones are read for good, newer ones are refused. */
export const artefactFormat = 1

/** What an artefact says about itself beside the detector's bytes. */
export interface ArtefactHeader {
  readonly model: string
  readonly version: number
  /** Whether the version was saved to serve at once. */
  readonly serve: boolean
  /** RFC 3339. */
  readonly createdAt: string
  readonly document: unknown
}
