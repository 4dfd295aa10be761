-- Writes a scored source as Parquet to the one allowed output path.
-- {{scored}}: the statement of scored.sql.
-- {{output}}: text literal of the output path.
-- {{rows}}: rows of a row group.
-- Returns: rows written (integer).
copy ({{scored}}) to {{output}} (format parquet, compression snappy, use_tmp_file false, row_group_size {{rows}})
