/** How models are called. */
import { z } from 'zod'

/** What a model may be called. */
export const modelNamePattern = /^[a-z0-9][a-z0-9_-]{0,62}$/

export const modelName = z
  .string()
  .regex(modelNamePattern)
  .describe('Name of a model.')
  .meta({ examples: ['web'] })
