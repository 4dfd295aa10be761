-- What pandas noted down in the files of a Parquet source.
-- $files: list of paths.
-- {{bytes}}, {{max}}: the longest note that is looked at, and how many different ones are.
-- Returns: note (text, null where it is none).
select distinct try(decode(value))
from parquet_kv_metadata($files)
where key = 'pandas'::blob and octet_length(value) <= {{bytes}}
limit {{max}}
