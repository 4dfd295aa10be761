/**
 * Everything that can go wrong on purpose: every error we throw is a `DeepWatchError` with a code of this table. A message
 * never carries a server path, SQL text, a stack or a library's own message.
 */

interface ErrorRow {
  readonly status: number
  /** Short and constant: the `title` member. */
  readonly title: string
  /** Seconds for `Retry-After`; only where trying again can help. */
  readonly retryAfterSeconds?: number
}

/** What can be wrong with a source before its columns are looked at. */
const sources = {
  path_not_allowed: { status: 403, title: 'The path is not inside a data root' },
  url_not_allowed: { status: 403, title: 'An address is not a path' },
  source_not_found: { status: 404, title: 'There is no such file' },
  source_not_regular: { status: 422, title: 'The path is not a regular file' },
  source_empty: { status: 422, title: 'The source is empty' },
  source_unreadable: { status: 422, title: 'The source could not be read to its end' },
  source_changed: { status: 422, title: 'The source changed while it was read' },
  too_many_files: { status: 422, title: 'The source has too many files' },
  unknown_format: { status: 415, title: 'The format of the source was not recognised' },
  format_mismatch: { status: 415, title: 'The content is not what the media type says' },
  not_parquet: { status: 422, title: 'The file is not Parquet' },
  parquet_encrypted: { status: 422, title: 'The Parquet file is encrypted' },
  parquet_unreadable: { status: 422, title: 'The Parquet file could not be read' },
  parquet_unsupported_codec: { status: 422, title: 'The compression of the Parquet file is not supported' },
  too_many_columns: { status: 422, title: 'The source has too many columns' },
  decoded_too_large: { status: 413, title: 'The source is too large once decoded' },
  duplicate_value: { status: 422, title: 'A metric has two values in one row' },
  long_format: { status: 422, title: 'The source has a row per metric' },
  duplicate_column: { status: 422, title: 'Two columns have the same name' },
  invalid_column_name: { status: 422, title: 'A column name is not valid' },
  digest_mismatch: { status: 422, title: 'The content does not match its digest' },
  deadline_exceeded: { status: 504, title: 'Reading the source took too long' },
} as const satisfies Record<string, ErrorRow>

/** Every code with its status and title, in the order of the documents. Read only. */
export const errorTable = {
  // The request itself
  malformed_request: { status: 400, title: 'The request could not be read' },
  malformed_json: { status: 400, title: 'The JSON text could not be read' },
  duplicate_key: { status: 400, title: 'A key is given twice' },
  malformed_multipart: { status: 400, title: 'The multipart body could not be read' },
  missing_file: { status: 400, title: 'The multipart body has no file part' },
  incomplete_body: { status: 400, title: 'The body ended before it was complete' },
  invalid_id: { status: 400, title: 'The identifier is not valid' },
  unauthorized: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  not_acceptable: { status: 406, title: 'None of the accepted media types can be given' },
  request_timeout: { status: 408, title: 'The request came too slowly' },
  body_too_large: { status: 413, title: 'The body is too large' },
  too_many_parts: { status: 413, title: 'The multipart body has too many parts' },
  too_many_rows: { status: 413, title: 'Too many rows for a JSON body' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met' },
  headers_too_large: { status: 431, title: 'The header fields are too large' },

  // Settings
  validation_failed: { status: 422, title: 'A setting is not valid' },
  conflicting_parameter: { status: 422, title: 'A setting is given twice with different values' },
  unused_setting: { status: 422, title: 'A setting would have no effect' },

  // Sources
  ...sources,

  // Columns and values
  unknown_column: { status: 422, title: 'The source has no such column' },
  ambiguous_timestamp: { status: 422, title: 'The timestamp column is not clear' },
  timestamp_out_of_range: { status: 422, title: 'A timestamp is out of range' },
  missing_timestamp: { status: 422, title: 'The source has no timestamp' },
  type_mismatch: { status: 422, title: 'A column has the wrong type' },
  missing_feature: { status: 422, title: 'A feature of the model is missing' },
  no_features: { status: 422, title: 'There is no column to learn from' },
  no_variance: { status: 422, title: 'Every feature is constant' },
  too_many_missing: { status: 422, title: 'Too many rows have missing or non-finite values' },
  insufficient_data: { status: 422, title: 'There are too few rows to train on' },
  one_class: { status: 422, title: 'The labels are all the same' },
  evaluation_too_large: { status: 422, title: 'The evaluation would need too much memory' },
  training_too_large: { status: 422, title: 'The training would need too much memory' },
  too_many_entities: { status: 422, title: 'There are too many entities' },
  history_too_large: { status: 422, title: 'The windows of the entities would need too much memory' },

  // Models
  model_not_found: { status: 404, title: 'There is no such model' },
  version_not_found: { status: 404, title: 'The model has no such version' },
  entity_not_found: { status: 404, title: 'The model has no such entity' },
  tree_not_found: { status: 404, title: 'The model has no such tree' },
  model_corrupt: { status: 503, title: 'The stored model is damaged' },
  model_version_unsupported: { status: 503, title: 'The stored model has a newer format' },
  registry_full: { status: 507, title: 'The registry is full' },

  // Jobs
  job_not_found: { status: 404, title: 'There is no such job' },
  job_not_finished: { status: 409, title: 'The job is not over yet', retryAfterSeconds: 1 },
  job_cancelled: { status: 409, title: 'The job was cancelled' },
  job_interrupted: { status: 409, title: 'The service stopped before the job was over' },
  result_too_large: { status: 422, title: 'The result is too large to be kept' },
  idempotency_conflict: { status: 409, title: 'The idempotency key belongs to another request' },
  idempotency_in_progress: {
    status: 409,
    title: 'The first request with this idempotency key is under way',
    retryAfterSeconds: 1,
  },

  // The service
  overloaded: { status: 503, title: 'The service has no room for more work', retryAfterSeconds: 1 },
  starting: { status: 503, title: 'The service is starting', retryAfterSeconds: 1 },
  shutting_down: { status: 503, title: 'The service is shutting down', retryAfterSeconds: 5 },
  storage_full: { status: 507, title: 'The storage is full' },
  storage_error: { status: 500, title: 'The storage failed' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },

  // Start, and the command line
  invalid_setting: { status: 500, title: 'A setting of the service is not valid' },
  server_unreachable: { status: 502, title: 'The service cannot be asked' },
  home_locked: { status: 500, title: 'Another process uses the same state folder' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errorTable

/** Every code of a source that could not be read. */
export const sourceErrors = Object.keys(sources) as (keyof typeof sources)[]

/** Members a problem document may carry beside the standard ones: names, counts, bounds. */
export type ErrorFacts = Readonly<Record<string, unknown>>

/**
 * A failure with a code from the table. `detail` is one sentence for the person who made the request, `facts` are members of
 * the problem document, and `cause` is for the log alone.
 */
export class DeepWatchError extends Error {
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(code: ErrorCode, detail: string, options: { facts?: ErrorFacts; cause?: unknown } = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DeepWatchError'
    this.code = code
    this.facts = options.facts ?? {}
  }

  get status(): number {
    return errorTable[this.code].status
  }
}

/** Whether `text` is a code of the table. Used where codes arrive as plain data from a process or thread. */
export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(errorTable, text)
}
