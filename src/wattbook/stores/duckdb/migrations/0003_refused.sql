-- Instants at which a row of a meter was refused: no value is held over them.
create table refused_instants (
    meter_key integer not null,
    ts_utc timestamp not null,
    known_utc timestamp not null
);
