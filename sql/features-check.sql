-- Computes every lane and keeps nothing: run after a stream broke off, because only a whole statement tells its error.
-- {{lanes}}, {{columns}}, {{relation}}, {{window}}: as in features.sql.
-- {{counts}}: an aggregate over all lanes, named l0, l1, ...
-- Returns one row of integers.
select {{counts}}
from (select {{lanes}} from (select {{columns}} from {{relation}}) where {{window}})
