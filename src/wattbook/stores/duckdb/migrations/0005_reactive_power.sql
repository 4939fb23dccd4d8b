-- Reactive power [kvar] of readings; null where a meter does not give it.
alter table readings add column reactive_power_kvar double;
alter table reading_revisions add column reactive_power_kvar double;
