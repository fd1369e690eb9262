-- What has turned about each speaker, as changes and not as samples; pruned after a time.
create table speaker_turns (
    speaker text not null,
    subject text not null,
    -- Which fault; empty for all else.
    item text not null,
    at_ms bigint not null,
    value text not null,
    detail text not null,
    primary key (speaker, subject, item, at_ms)
);
create index speaker_turns_by_time on speaker_turns (at_ms);

-- The newest play that left the converter or was heard back, and how the newest of all ended: so that a list of thousands needs no
-- look at the records.
alter table speakers add column proven_ms bigint;
alter table speakers add column proven text;
alter table speakers add column last_ms bigint;
alter table speakers add column last_outcome text;
alter table speakers add column last_reason text;
update speakers set proven_ms = (
    select max(start_ms) from records r where r.speaker = speakers.id
    and (r.body like '%"evidence":"sounded"%' or r.body like '%"evidence":"heard_back"%')
);
update speakers set proven = 'sounded' where proven_ms is not null;
