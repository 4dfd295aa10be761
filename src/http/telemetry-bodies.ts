/** What every route that takes telemetry takes, and what can go wrong with it: said once. */
import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import type { JobKind } from '../schemas/index.ts'
import type { Content } from './operation.ts'

const upload: Content = {}

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
    'application/vnd.apache.parquet': upload,
    'text/csv': { example: 'timestamp,cpu\n2026-11-22T14:00:00Z,0.31\n' },
    'application/x-ndjson': { example: '{"timestamp":"2026-11-22T14:00:00Z","cpu":0.31}\n' },
    'application/vnd.apache.arrow.stream': upload,
    'application/octet-stream': upload,
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
  'unknown_format',
  'format_mismatch',
  'conflicting_parameter',
  'unused_setting',
  'path_not_allowed',
  'url_not_allowed',
  'source_not_found',
  'source_not_regular',
  'source_empty',
  'source_unreadable',
  'source_changed',
  'too_many_files',
  'not_parquet',
  'parquet_encrypted',
  'parquet_unreadable',
  'parquet_unsupported_codec',
  'too_many_columns',
  'decoded_too_large',
  'duplicate_column',
  'invalid_column_name',
  'digest_mismatch',
  'deadline_exceeded',
  'unknown_column',
  'ambiguous_timestamp',
  'timestamp_out_of_range',
  'missing_timestamp',
  'type_mismatch',
  'overloaded',
  'shutting_down',
  'storage_full',
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
  score: ['model_not_found', 'version_not_found', 'missing_feature', 'model_corrupt', 'model_version_unsupported'],
  evaluate: [
    'model_not_found',
    'version_not_found',
    'missing_feature',
    'one_class',
    'evaluation_too_large',
    'model_corrupt',
    'model_version_unsupported',
  ],
}
