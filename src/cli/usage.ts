/** What somebody got wrong when they called a command, as an error with the exit code of wrong usage. */
import { DeepWatchError } from '../errors.ts'

export const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)
export const unused = (detail: string) => new DeepWatchError('unused_setting', detail)
export const conflicting = (detail: string) => new DeepWatchError('conflicting_parameter', detail)

/** A path or a name as one line can show it. */
export const show = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
