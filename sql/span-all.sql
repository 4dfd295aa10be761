-- The same as span.sql for all rows. Where a file tells the first and last value of its columns, nothing else of it is read.
-- {{time}}: the time as it stands in the source.
-- {{relation}}: the source.
-- Returns: rows twice (integers), first and last time (doubles or null, infinity for an infinite time).
select n, n, case when isfinite(lo) then epoch_us(lo)::double when lo is not null then 'inf'::double end,
  case when isfinite(hi) then epoch_us(hi)::double when hi is not null then 'inf'::double end
from (select count(*) as n, min(time) as lo, max(time) as hi from (select {{time}} as time from {{relation}}))
