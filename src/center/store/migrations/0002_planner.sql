-- Every version of a schedule and of a programme, so that an edit keeps the past. A null rule, or null items, is a removal.
create table schedule_versions (
    id text not null,
    number bigint not null,
    rule text,
    made_ms bigint not null,
    -- From when on it rules: later than it was made where the edit lock holds.
    effective_ms bigint not null,
    -- It was removed so that what is on the air ends too.
    ends_now bigint not null,
    primary key (id, number)
);
insert into schedule_versions (id, number, rule, made_ms, effective_ms, ends_now)
    select id, 1, rule, changed_ms, changed_ms, 0 from schedules;
drop table schedules;

create table programme_versions (
    id text not null,
    number bigint not null,
    title text not null,
    items text,
    made_ms bigint not null,
    effective_ms bigint not null,
    primary key (id, number)
);
insert into programme_versions (id, number, title, items, made_ms, effective_ms)
    select id, 1, title, items, changed_ms, changed_ms from programmes;
drop table programmes;

create table calendars (id text primary key, body text not null, changed_ms bigint not null);

-- The lawful hours as the authority signed them.
alter table areas add column hours text;
-- Whether its own priority bulletins go first; null = as the unit above it says.
alter table areas add column own_first bigint;

-- Of the residents, in order: JSON.
alter table speakers add column languages text not null default '[]';
alter table speakers add column latitude double precision;
alter table speakers add column longitude double precision;
-- Speakers with the same word here play in step, however near they are.
alter table speakers add column step_with text;

-- The bulletin of which this is another language version.
alter table bulletins add column version_of text;

-- What a plan says is compared by itself now.
alter table plans drop column digest;
