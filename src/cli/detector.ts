/** The detector that flags such as --trees are for when none is named. */
import { defaultDetector } from '../detectors/index.ts'

/** The settings, with the type of the default detector where only its settings are given. */
export function withDetector(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const detector = settings['detector'] as { type?: unknown } | undefined
  if (typeof detector !== 'object' || detector === null || detector.type !== undefined) return { ...settings }
  return { ...settings, detector: { ...detector, type: defaultDetector.type } }
}
