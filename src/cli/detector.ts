/** The detector that is meant when none is named, or only flags such as --trees are given. */
import { defaultDetector } from '../detectors/index.ts'

/** The settings, with the type of the default detector where only its settings are given. */
export function withDetector(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const detector = settings['detector'] as { type?: unknown } | undefined
  if (typeof detector !== 'object' || detector === null || detector.type !== undefined) return { ...settings }
  return { ...settings, detector: { ...detector, type: defaultDetector.type } }
}

/** The same where one is chosen unless something but the seed, which every detector takes, is given. */
export function withChosenDetector(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const detector = settings['detector'] ?? {}
  const isOpen = typeof detector === 'object' && Object.keys(detector).every((key) => key === 'seed')
  return isOpen ? { ...settings, detector: { ...detector, type: 'auto' } } : withDetector(settings)
}
