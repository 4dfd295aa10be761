-- What the cells of columns are, over the first rows of a CSV source; cells that are missing are not counted.
-- {{kinds}}: the counts of each column (see csv-cells.ts).
-- {{relation}}: the source, every column as text.
-- $rows: number of rows to look at (integer).
-- Returns one row of doubles.
select {{kinds}}
from (select * from {{relation}} limit $rows)
