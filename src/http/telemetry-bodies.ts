/** What every route that takes telemetry takes, and what can go wrong with it: said once. */
import { z } from 'zod'
import { type ErrorCode, sourceErrors } from '../errors.ts'
import { exampleRows, type JobKind } from '../schemas/index.ts'
import type { Content } from './operation.ts'

const exampleCsv = [Object.keys(exampleRows[0]!), ...exampleRows.map((row) => Object.values(row))]
  .map((cells) => `${cells.join(',')}\n`)
  .join('')

/** The request bodies of a route with these settings; `example` is a JSON body. */
export function telemetryBodies(settings: z.ZodObject, example: unknown): Record<string, Content> {
  return {
    'application/json': { schema: settings, example },
    'multipart/form-data': {
      schema: z.object({
        config: z.string().optional().describe('Settings as JSON text; before the file.'),
        file: z.string().describe('The telemetry.').meta({ contentMediaType: 'application/octet-stream' }),
      }),
      example: { config: '{"model":"web"}', file: '(bytes of a Parquet file)' },
    },
    'application/vnd.apache.parquet': {},
    'text/csv': { example: exampleCsv },
    'application/x-ndjson': { example: exampleRows.map((row) => `${JSON.stringify(row)}\n`).join('') },
    'application/vnd.apache.arrow.stream': {},
    'application/octet-stream': {},
  }
}

export const telemetryErrors: readonly ErrorCode[] = [
  'malformed_json',
  'duplicate_key',
  'malformed_multipart',
  'missing_file',
  'incomplete_body',
  'invalid_id',
  'request_timeout',
  'body_too_large',
  'too_many_parts',
  'too_many_rows',
  'unsupported_media_type',
  'conflicting_parameter',
  'unused_setting',
  ...sourceErrors,
  'unknown_column',
  'ambiguous_timestamp',
  'timestamp_out_of_range',
  'missing_timestamp',
  'type_mismatch',
  'overloaded',
  'shutting_down',
  'storage_full',
]

const scoringErrors: readonly ErrorCode[] = [
  'model_not_found',
  'version_not_found',
  'missing_feature',
  'model_corrupt',
  'model_version_unsupported',
]

/** What can go wrong beside that, by kind of work. */
export const workErrorsOf: Readonly<Record<JobKind, readonly ErrorCode[]>> = {
  train: [
    'no_features',
    'no_variance',
    'too_many_missing',
    'insufficient_data',
    'training_too_large',
    'too_many_entities',
    'registry_full',
    'storage_error',
  ],
  score: scoringErrors,
  evaluate: [...scoringErrors, 'one_class', 'evaluation_too_large'],
}
