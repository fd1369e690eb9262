-- What the office says of itself, and where the account stands: JSON by name.
create table settings (name text primary key, body text not null, changed_ms bigint not null);

-- What it is about, by a short list; '' where nobody has said.
alter table bulletins add column field text not null default '';

-- What plays have in common, by the beginning of the SHA-256 of what it says.
create table play_contents (
    id text primary key,
    schedule text not null,
    title text not null,
    priority text not null,
    -- The bulletin that takes the most time of it, and all of them as JSON.
    bulletin text not null,
    bulletins text not null
);

-- The account: every play whose time has come, with its end as far as it is known. Kept when plans are long forgotten.
create table plays (
    speaker text not null,
    occurrence text not null,
    -- Where the speaker stood then.
    area text not null,
    start_ms bigint not null,
    end_ms bigint not null,
    -- How much was to sound, pauses left out, and how much left the converter.
    requested_ms bigint not null,
    heard_ms bigint not null,
    content text not null,
    -- unreported until its record is here.
    outcome text not null,
    reason text not null,
    evidence text not null,
    -- First sample minus planned instant.
    error_us bigint,
    primary key (speaker, occurrence)
);
create index plays_by_start on plays (start_ms);
create index plays_by_outcome on plays (outcome, start_ms);
create index plays_by_speaker on plays (speaker, start_ms);

-- Records are taken into the account in the order in which they came.
create index records_by_receipt on records (received_ms);

-- Days of which the sums are to be made again: 20261123.
create table stale_days (day bigint primary key);

-- Sums of plays by day (20261123) and by month (202611), so that a year's report reads thousands of rows.
create table totals (
    period bigint not null,
    area text not null,
    field text not null,
    language text not null,
    priority text not null,
    outcome text not null,
    reason text not null,
    plays bigint not null,
    sounded bigint not null,
    heard_back bigint not null,
    on_time bigint not null,
    prompt bigint not null,
    requested_ms bigint not null,
    heard_ms bigint not null,
    primary key (period, area, field, language, priority, outcome, reason)
);

create table speaker_totals (
    period bigint not null,
    speaker text not null,
    area text not null,
    plays bigint not null,
    complete bigint not null,
    sounded bigint not null,
    silent bigint not null,
    requested_ms bigint not null,
    heard_ms bigint not null,
    primary key (period, speaker, area)
);

-- How far starts were from their instant: plays by the bound, in ms, that they kept within.
create table start_errors (
    period bigint not null,
    area text not null,
    within_ms bigint not null,
    plays bigint not null,
    primary key (period, area, within_ms)
);
create index speaker_totals_silent on speaker_totals (period) where sounded = 0;
