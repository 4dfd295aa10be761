-- The first cells that are not of their column's kind, in one file of a CSV source.
-- {{misfits}}: per column whether a cell is a misfit, as m0, m1, ...
-- {{firsts}}: per column two aggregates: the first row with a misfit, and its text there.
-- {{relation}}: the file, every column as text.
-- Returns one row: per column the first row (double or null) and the text.
select {{firsts}}
from (select *, {{misfits}} from (select *, row_number() over () - 1 as row from {{relation}}))
