-- Makes the two example files of the README's tour: a web host's metrics every five minutes.
-- Deterministic: noise comes from hash(), not from random(). Run with DuckDB in this folder.
create macro noise(i, k) as (hash(i * 64 + k) % 1000000) / 1000000.0 + (hash(i * 64 + k + 32) % 1000000) / 1000000.0 - 1.0;

create table web as
with clock as (
  select i, timestamp '2026-11-01 00:00:00' + interval (i * 5) minute as timestamp,
         sin(2 * pi() * ((i % 288) / 288.0 - 0.3)) as day,
         case when (i // 288) % 7 in (0, 6) then 0.6 else 1.0 end as week
  from range(288 * 22) t(i)
), incidents as (
  select *,
         -- a saturated host on the 22nd in the morning, a failing disk in the evening
         i between 288 * 21 + 112 and 288 * 21 + 121 as saturated,
         i between 288 * 21 + 230 and 288 * 21 + 236 as failing
  from clock
)
select timestamp,
       'web-1' as host,
       round(least(1.0, 0.35 + 0.2 * day * week + 0.04 * noise(i, 1) + if(saturated, 0.5, 0)), 4) as cpu,
       round(0.55 + 0.05 * day * week + 0.01 * noise(i, 2), 4) as memory,
       round(18 + 9 * day * week + 2 * noise(i, 3) + if(failing, 60, 0), 2) as disk_io_ms,
       round(420 + 300 * day * week + 30 * noise(i, 4), 1) as requests_per_second,
       round(14 + 5 * day * week + 1.5 * noise(i, 5) + if(saturated, 240, 0) + if(failing, 90, 0), 2) as latency_ms,
       saturated or failing as label
from incidents
order by timestamp;

copy (select * from web where timestamp < timestamp '2026-11-22') to 'web.parquet' (format parquet, compression zstd);
copy (select * from web where timestamp >= timestamp '2026-11-22') to 'web-today.parquet' (format parquet, compression zstd);
