/** What a flag is, and the flags that commands have beside the settings. Loads nothing. */

export interface Flag {
  readonly name: string
  /** Where the value belongs in the settings. */
  readonly path: readonly string[]
  /** What stands for the value in the help; empty for a switch. */
  readonly hint: string
  readonly about: string
  /** Values there are, for completion. */
  readonly choices: readonly string[]
  /** The value a text stands for; what cannot be read stays text, and the schema says what is wrong with it. */
  read(text: string): unknown
}

/** A flag of a command's own that takes a text. */
export function textFlag(name: string, hint: string, about: string, choices: readonly string[] = []): Flag {
  return { name, path: [camelCase(name)], hint, about, choices, read: (text) => text }
}

/** A flag that is there or not. */
export function switchFlag(name: string, about: string): Flag {
  return { name, path: [camelCase(name)], hint: '', about, choices: [], read: readScalar }
}

/** A number or a truth value where the text is one. */
export function readScalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text
}

/** sampleSize as sample-size. */
export const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
export const camelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
