-- Names and types of the columns of a source; no data is read.
-- {{relation}}: the source.
-- Returns per column: column_name, column_type, null, key, default, extra (text).
describe select * from {{relation}}
