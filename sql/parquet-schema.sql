-- The raw schema of one Parquet file, depth first; names are as they stand in the file.
-- $file: path.
-- Returns: name (text), children (integer or null), digits of a decimal (integer or null), whether it is of the type that holds
-- nothing but nulls (boolean).
select name, num_children::integer, precision::integer, coalesce(logical_type = 'NullType()', false)
from parquet_schema($file)
order by column_id
