-- Computes every lane and keeps nothing: run after a stream broke off, because only a whole statement tells its error.
-- {{lanes}}, {{columns}}, {{relation}}, {{window}}: as in features.sql.
-- Returns one row of integers.
select {{counts}}
from (select {{lanes}} from (select {{columns}} from {{relation}}) where {{window}})
