-- The raw schema of one Parquet file, depth first; names are as they stand in the file.
-- $file: path.
-- Returns: name (text), children (integer or null), physical type (text or null).
select name, num_children::integer, type
from parquet_schema($file)
order by column_id
