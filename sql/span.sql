-- How many rows there are, how many lie in the window, and from when to when.
-- {{micros}}: the time in epoch microseconds as double, NaN for null.
-- {{columns}}: the columns of the source that are needed, as c0, c1, ...
-- {{relation}}: the source.
-- {{window}}: condition, or true.
-- Returns: rows, rows in the window (integers), first and last time within (doubles or null).
select count(*), count(*) filter (where inside), min(t) filter (where inside and not isnan(t)), max(t) filter (where inside and not isnan(t))
from (select {{window}} as inside, {{micros}} as t from (select {{columns}} from {{relation}}))
