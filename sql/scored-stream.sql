-- Streams a scored source; the last row is the proof that it was read to its end.
-- {{output}}: one expression per column, cast to what leaves.
-- {{scored}}: the statement of scored.sql.
-- {{padding}}: null per column.
-- Returns: the columns, then whether this is the last row (boolean).
select {{output}}, false
from ({{scored}})
union all
select {{padding}}, true
