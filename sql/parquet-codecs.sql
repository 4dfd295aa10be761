-- The compressions used anywhere in a Parquet source.
-- $files: list of paths.
-- Returns: compression (text).
select distinct compression
from parquet_metadata($files)
