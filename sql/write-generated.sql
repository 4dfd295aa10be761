-- Writes generated telemetry as Parquet.
-- {{metrics}}: the metrics, each `vN as "name"`.
-- {{output}}: text literal of the output path.
-- $hosts: names of the hosts (varchar[]), by their number from 0.
-- $kinds: names of the incidents (varchar[]), by their number from 1; 0 is none.
-- Returns: rows written (integer).
copy (
  select
    time as "timestamp",
    ($hosts::varchar[])[host + 1] as host,
    {{metrics}},
    incident > 0 as label,
    ($kinds::varchar[])[incident] as incident
  from fed()
) to {{output}} (format parquet, compression zstd, use_tmp_file false)
