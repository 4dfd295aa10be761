-- How the columns of a Parquet source are stored, by the description of their chunks.
-- $files: list of paths.
-- Returns per compression and column: compression (text), path of the column in the schema (text), whether a 64-bit integer
-- column may hold a value whose double is rounded: beyond 2^53 by its statistics, or without any (boolean).
select compression, path_in_schema,
  type = 'INT64' and bool_or(case
    when num_values = 0 or stats_null_count = num_values then false
    else coalesce(greatest(abs(try_cast(stats_min_value as hugeint)), abs(try_cast(stats_max_value as hugeint))) > 9007199254740992, true)
  end)
from parquet_metadata($files)
group by compression, path_in_schema, type
