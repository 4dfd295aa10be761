-- The smallest and the largest of the first values of a column of numbers that may hold times.
-- {{value}}: the column as numbers.
-- {{relation}}: the source.
-- {{rows}}: how many rows are looked at.
-- Returns one row: two doubles, null without a value.
select min(v), max(v)
from (select {{value}}::double as v from {{relation}} limit {{rows}})
where not isnan(v)
