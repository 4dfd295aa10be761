-- How the columns of files with one schema are stored, by the descriptions of their chunks.
-- $files: list of paths.
-- Returns per leaf of the schema and way of storing it: leaf (integer, from 0), compression, physical type, encodings with ", " between
-- them (texts), and no less than the largest magnitude by the statistics, infinite where these do not tell (double).
select column_id::integer, compression, type, encodings,
  max(case
    when num_values = 0 or stats_null_count = num_values then 0
    else coalesce(greatest(abs(try_cast(stats_min_value as double)), abs(try_cast(stats_max_value as double))), 'inf'::double)
  end)
from parquet_metadata($files)
group by all
