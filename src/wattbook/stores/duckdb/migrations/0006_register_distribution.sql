-- Registers over missing readings are estimated from now on: what was rolled up of registers before
-- is rolled up again. Readings that are kept elsewhere are found by the days that have rollups.
insert into dirty (mark, meter_key, from_utc, to_utc)
select (select coalesce(max(mark), 0) + 1 from dirty), meter_key, min(ts_utc), max(ts_utc)
from readings
where register_kwh is not null
group by meter_key, cast(ts_utc as date)
union all
select
    (select coalesce(max(mark), 0) + 1 from dirty),
    meter_key,
    start_utc,
    start_utc + to_seconds(bucket_s)
from rollups
where grain = 2 and not exists (select 1 from readings);
