-- Which columns of a source hold a number whose double is another number.
-- {{rounded}}: per column whether it does, over c0, c1, ...
-- {{columns}}: these columns, as c0, c1, ...
-- {{relation}}: the source.
-- Returns one row of booleans.
select {{rounded}}
from (select {{columns}} from {{relation}})
