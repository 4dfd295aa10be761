-- The same as span.sql for all rows. Where a file tells the first and last value of its columns, nothing else of it is read.
-- {{first}}, {{last}}: the columns lo and hi in epoch microseconds as double, infinity for an infinite time.
-- {{time}}: the time as it stands in the source, among the columns.
-- {{columns}}, {{relation}}: as in span.sql.
-- Returns: rows twice (integers), first and last time (doubles or null).
select n, n, {{first}}, {{last}}
from (select count(*) as n, min({{time}}) as lo, max({{time}}) as hi from (select {{columns}} from {{relation}}))
