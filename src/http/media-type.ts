/** Reading a Content-Type, strictly: one parser for the whole house, so that no two disagree. */
import { DeepWatchError } from '../errors.ts'

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const mediaType = new RegExp(`^(${token}/${token})((?:[ \\t]*;[ \\t]*${token}=(?:${token}|"[^"\\\\]*"))*)[ \\t]*;?$`)

export interface MediaType {
  /** Type and subtype in lower case: `application/json`. */
  readonly essence: string
  readonly parameters: ReadonlyMap<string, string>
}

/** What was read before; clients send a handful of fields, over and over. */
const known = new Map<string, MediaType>()
const mostKnown = 64
const longestKnown = 128

/** The parsed Content-Type; null when there is none. Anything malformed is `unsupported_media_type`. */
export function parseMediaType(field: string | undefined): MediaType | null {
  const text = field?.startsWith(' ') ? field.replace(/^ +/, '') : field
  if (text === undefined || text === '') return null
  const before = known.get(text)
  if (before) return before
  const type = read(text)
  // A boundary never comes again.
  if (text.length > longestKnown || type.parameters.has('boundary')) return type
  if (known.size >= mostKnown) known.clear()
  known.set(text, type)
  return type
}

function read(text: string): MediaType {
  const [, essence, tail = ''] = (text.length <= 1024 ? mediaType.exec(text) : null) ?? []
  if (!essence) throw new DeepWatchError('unsupported_media_type', 'The Content-Type is not a valid media type.')
  const parameters = new Map<string, string>()
  for (const part of tail.split(';')) {
    const at = part.indexOf('=')
    if (at > 0)
      parameters.set(
        part.slice(0, at).trim().toLowerCase(),
        part
          .slice(at + 1)
          .trim()
          .replace(/^"|"$/g, ''),
      )
  }
  return { essence: essence.toLowerCase(), parameters }
}
