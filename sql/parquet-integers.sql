-- Columns of 64-bit integers that may hold a value whose double is rounded: beyond 2^53 by their statistics, or without any.
-- $files: list of paths.
-- Returns: path of the column in the schema (text).
select path_in_schema
from parquet_metadata($files)
where type = 'INT64' and num_values > 0 and stats_null_count is distinct from num_values
group by path_in_schema
having bool_or(coalesce(greatest(abs(try_cast(stats_min_value as hugeint)), abs(try_cast(stats_max_value as hugeint))) > 9007199254740992, true))
