-- Streams the lanes of the feature matrix in source order. The last row is the proof that the source was read to its end:
-- a stream that breaks off just ends, without an error.
-- {{lanes}}: one expression per lane (double, NaN for null), then the text of the row when asked for.
-- {{columns}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition, or true.
-- {{padding}}: a constant per lane.
-- Returns: the lanes, then whether this is the last row (boolean).
select {{lanes}}, false
from (select {{columns}} from {{relation}})
where {{window}}
union all
select {{padding}}, true
