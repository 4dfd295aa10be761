-- Streams the feature matrix of a source whose number of rows is not known. The last row is the proof that the source was read to its
-- end: a stream that breaks off just ends, without an error. A fifth slower than comparing the number of rows.
-- {{features}}: the statement of features.sql.
-- {{padding}}: a constant per result.
-- Returns: the results, then whether this is the last row (boolean).
select *, false
from ({{features}})
union all
select {{padding}}, true
