-- What was told to whole areas, by when it was told.
create table commands (
    made_ms bigint primary key,
    area text not null,
    valid_until_ms bigint not null,
    -- Of an emergency: the play itself, for reports and for those who come late.
    start_ms bigint,
    body text not null
);
create index commands_by_start on commands (start_ms);
