-- What the values of text columns could all be, over the first rows of a CSV source.
-- {{kinds}}: three expressions per column: how many values there are, how many are numbers or booleans or times (see the reader).
-- {{relation}}: the source, every column as text.
-- $rows: number of rows to look at (integer).
-- Returns one row of integers.
select {{kinds}}
from (select * from {{relation}} limit $rows)
