-- Computes every row of a stream and keeps nothing: run after it broke off, because only a whole statement tells its error.
-- {{statement}}: what was streamed.
-- {{counts}}: an aggregate over all of its columns.
-- Returns one row of text.
select {{counts}}
from ({{statement}})
