-- One dialect for SQLite and PostgreSQL: text ids, integer milliseconds, JSON as text.
create table areas (code text primary key, parent text, title text not null);

create table speakers (
    id text primary key,
    title text not null,
    area text not null,
    -- SHA-256 of the broker password, which is random and long.
    password_hash text not null,
    created_ms bigint not null,
    -- The newest state: its birth number, whether the link is up, since when, and the detail as JSON.
    birth bigint not null,
    online bigint not null,
    since_ms bigint,
    detail text
);

create table certificates (
    key_id text primary key,
    role text not null,
    title text not null,
    envelope text not null,
    valid_until_ms bigint not null,
    added_ms bigint not null
);

create table bulletins (
    id text primary key,
    title text not null,
    language text not null,
    area text not null,
    words text not null,
    created_ms bigint not null
);

create table revisions (
    bulletin text not null,
    revision bigint not null,
    -- Where it stands with people, as JSON; and where its sound stands: received, ready or refused.
    state text not null,
    intake text not null,
    problem text,
    file_name text not null,
    upload text not null,
    media text,
    bytes bigint,
    duration_ms bigint,
    loudness_lufs double precision,
    true_peak_dbtp double precision,
    gain_db double precision,
    warnings text not null,
    approval text,
    created_ms bigint not null,
    primary key (bulletin, revision)
);

create table programmes (id text primary key, title text not null, items text not null, changed_ms bigint not null);

create table schedules (id text primary key, rule text not null, changed_ms bigint not null);

create table plans (
    speaker text not null,
    number bigint not null,
    made_ms bigint not null,
    until_ms bigint not null,
    -- SHA-256 of what the plan says, numbers and times of making aside.
    digest text not null,
    -- The signed plan as it is published.
    body text not null,
    primary key (speaker, number)
);

create table records (
    speaker text not null,
    occurrence text not null,
    start_ms bigint not null,
    body text not null,
    received_ms bigint not null,
    primary key (speaker, occurrence)
);
create index records_by_start on records (start_ms);
