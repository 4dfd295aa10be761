-- Distinct texts of a column that may hold times.
-- {{value}}: the column as text, or its first characters.
-- {{relation}}: the source.
-- {{rows}}: how many rows are looked at.
-- Returns: v (text), up to 20,480 of them, in no order.
select distinct v from (select {{value}} as v from {{relation}} limit {{rows}}) where v is not null limit 20480
