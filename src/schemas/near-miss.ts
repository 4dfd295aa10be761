/** The setting that is meant by one that is not known, or stands in the wrong place. */
import { z } from 'zod'
import { nearest, plain } from '../nearest.ts'

/** The part of a JSON schema that settings are found in. */
interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly items?: Node
}

/** What to say of a key that is not known at `path`: how it is spelled, where it belongs, or that it has no place there. */
export function describeUnknown(schema: z.ZodType, path: readonly PropertyKey[], key: string): string {
  // Places in a list are no part of the name of a setting.
  const outer = path.filter((step) => typeof step === 'string').join('.')
  const known = pathsOf(schema)
  const beside = known.filter((each) => parentOf(each) === outer).map(nameOf)
  if (beside.includes(key)) return 'does not go with the other settings here'
  const isMeant = (name: string) => plain(name) === plain(key)
  const meant =
    beside.find(isMeant) ??
    known.find((each) => isMeant(nameOf(each))) ??
    nearest(key, beside) ??
    known.find((each) => nameOf(each) === nearest(key, known.map(nameOf)))
  return `is not a setting here${meant === undefined ? '' : ` (did you mean ${meant}?)`}`
}

const nameOf = (path: string) => path.slice(path.lastIndexOf('.') + 1)
const parentOf = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('.')))

const knownPaths = new WeakMap<z.ZodType, readonly string[]>()

/** Every setting of a schema as `threshold.contamination`, outer ones first. */
function pathsOf(schema: z.ZodType): readonly string[] {
  const before = knownPaths.get(schema)
  if (before) return before
  const node = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Node
  const paths = [...new Set(below(node, ''))].sort((a, b) => depthOf(a) - depthOf(b))
  knownPaths.set(schema, paths)
  return paths
}

const depthOf = (path: string) => path.split('.').length

function below({ properties = {}, anyOf = [], oneOf = [], items }: Node, at: string): string[] {
  const forms = [...anyOf, ...oneOf, ...(items ? [items] : [])].flatMap((form) => below(form, at))
  const own = Object.entries(properties).flatMap(([name, node]) => {
    const path = at === '' ? name : `${at}.${name}`
    return [path, ...below(node, path)]
  })
  return [...own, ...forms]
}
