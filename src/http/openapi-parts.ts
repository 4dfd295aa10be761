/** The parts of the OpenAPI document that are written once and referred to. */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

export type Json = Record<string, unknown>

/** A reference to a part of the document. */
export interface Reference {
  readonly $ref: string
}

export class OpenapiParts {
  readonly schemas: Json = {}
  readonly responses: Json = {}
  readonly parameters: Json = {}

  /** Refers to `part`, under the first of the names that no other part has. */
  share(kind: 'responses' | 'parameters', names: readonly string[], part: Json): Reference {
    const parts = this[kind]
    const name =
      Object.keys(parts).find((each) => isDeepStrictEqual(parts[each], part)) ??
      names.find((each) => parts[each] === undefined)!
    parts[name] = part
    return { $ref: `#/components/${kind}/${name}` }
  }

  /** A schema as JSON Schema. One with an id, also inside another, becomes a part and is referred to. */
  schema(schema: z.ZodType): Json {
    const json = z.toJSONSchema(schema, {
      io: 'input',
      unrepresentable: 'any',
      reused: 'inline',
      override: ({ zodSchema, jsonSchema }) => {
        if (zodSchema._zod.def.type === 'custom' && jsonSchema.type === undefined)
          Object.assign(jsonSchema, { type: 'object', additionalProperties: true })
      },
    })
    const text = JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/')
    const { $schema: _, $defs = {}, ...rest } = JSON.parse(text) as Json
    Object.assign(this.schemas, $defs)
    return rest
  }

  /** Makes the schema a part of this name. */
  named(name: string, schema: z.ZodType): Reference {
    this.schemas[name] = this.schema(schema)
    return { $ref: `#/components/schemas/${name}` }
  }
}
