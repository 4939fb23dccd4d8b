-- Whether a part of the bucket was above the capacity in force. Null in rows that were rolled up
-- before, until they are rolled up again.
alter table rollups add column above_capacity boolean;
