-- One row per file of a Parquet source.
-- $files: list of paths.
-- {{schema}}: table expression over parquet_schema.
-- Returns, in the order of the paths as bound:
--   file (text), rows (text of an integer), columns at the top level (integer or null), encryption (text or null),
--   fingerprint of the schema (text of an integer), row groups (integer).
select f.file_name, f.num_rows::varchar, s.columns, f.encryption_algorithm, s.fingerprint::varchar, f.num_row_groups::integer
from parquet_file_metadata($files) f
join (
  select file_name, max(num_children) filter (where column_id = 0)::integer as columns,
    bit_xor(hash(column_id, name, type, num_children, converted_type, scale, precision, logical_type, duckdb_type)) as fingerprint
  from parquet_schema($files)
  group by file_name
) s on s.file_name = f.file_name
