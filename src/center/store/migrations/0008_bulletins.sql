-- What is being sent in part by part. The file lies beside the database; `received` is what of it is surely on the disk.
create table uploads (
    id text primary key,
    account text not null,
    file_name text not null,
    bytes bigint not null,
    received bigint not null,
    created_ms bigint not null,
    ends_ms bigint not null
);

-- Who did what with a bulletin, for people to read. What decides are states and approvals.
create table bulletin_steps (
    id text primary key,
    bulletin text not null,
    revision bigint not null,
    step text not null,
    at_ms bigint not null,
    account text not null,
    title text not null,
    detail text not null
);
create index bulletin_steps_by_bulletin on bulletin_steps (bulletin, at_ms);
-- Of what was there before, as much as is known: nobody wrote down who it was.
insert into bulletin_steps (id, bulletin, revision, step, at_ms, account, title, detail)
    select bulletin || '/' || cast(revision as text) || '/added', bulletin, revision, 'added', created_ms, '', '', '{}'
    from revisions;
insert into bulletin_steps (id, bulletin, revision, step, at_ms, account, title, detail)
    select bulletin || '/' || cast(revision as text) || '/approved/' || approver, bulletin, revision, 'approved', added_ms, '', '',
        '{"approver":"' || approver || '"}'
    from approvals;

-- The outlines of sounds: a byte a stretch, as hex.
create table peaks (media text primary key, outline text not null);

-- In one word why a file was refused.
alter table revisions add column problem_code text;

-- Which plays a bulletin was in, noted when they are about to begin; how they went is in the records.
create table bulletin_plays (
    bulletin text not null,
    occurrence text not null,
    title text not null,
    priority text not null,
    first_ms bigint not null,
    last_ms bigint not null,
    end_ms bigint not null,
    speakers bigint not null,
    primary key (bulletin, occurrence)
);
create index bulletin_plays_by_start on bulletin_plays (bulletin, first_ms);
