-- Reactive energy of rollups, and the energy and the time for which it is known. Null where no
-- reactive power is.
alter table rollups add column inductive_kvarh double;
alter table rollups add column capacitive_kvarh double;
alter table rollups add column reactive_kwh double;
alter table rollups add column reactive_s double;
