/** Reading a Content-Type, strictly: there is one parser, so that no two disagree. */
import { LRUCache } from 'lru-cache'
import { DeepWatchError } from '../errors.ts'

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const value = `${token}|"[^"\\\\]*"`
const mediaType = new RegExp(`^ *(${token}/${token})((?:[ \\t]*;[ \\t]*${token}=(?:${value}))*)[ \\t]*;?$`)
const parameter = new RegExp(`(${token})=(${value})`, 'g')

export interface MediaType {
  /** Type and subtype in lower case: `application/json`. */
  readonly essence: string
  /** By name in lower case, without quotes. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Clients send a handful of fields, over and over. */
const known = new LRUCache<string, MediaType>({ max: 64, memoMethod: read })

/** The parsed Content-Type; null when there is none. Anything malformed is `unsupported_media_type`. */
export function parseMediaType(field: string | undefined): MediaType | null {
  return field === undefined || /^ *$/.test(field) ? null : known.memo(field)
}

function read(field: string): MediaType {
  const [, essence, tail = ''] = (field.length <= 1024 ? mediaType.exec(field) : null) ?? []
  if (!essence) throw new DeepWatchError('unsupported_media_type', 'The Content-Type is not a valid media type.')
  const parameters = new Map<string, string>()
  for (const [, name, text] of tail.matchAll(parameter))
    parameters.set(name!.toLowerCase(), text!.replace(/^"|"$/g, ''))
  return { essence: essence.toLowerCase(), parameters }
}
