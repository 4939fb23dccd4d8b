-- For how long, and at what energy, the hash rate and the temperature are known. Null in rows that
-- were rolled up before: the covered time stands in for it until they are rolled up again.
alter table rollups add column hashrate_kwh double;
alter table rollups add column hashrate_s double;
alter table rollups add column temperature_s double;
