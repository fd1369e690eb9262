-- One-time codes. Of a code only what is needed to know its bearer again is kept.
create table enrolments (
    lookup text primary key,
    speaker text not null,
    mac_key text not null,
    made_ms bigint not null,
    until_ms bigint not null,
    used_ms bigint,
    -- The request that used it, by its SHA-256, and the answer that it was given: for when the answer was lost on the way.
    request text,
    answer text
);

-- What a speaker's connection may show: the certificate in force, and the next one until it was used for the first time.
create table speaker_certificates (
    -- SHA-256 of the DER.
    fingerprint text primary key,
    speaker text not null,
    serial text not null,
    is_next bigint not null,
    -- Kept for the next one, so that the same request gets the same answer.
    request text not null,
    pem text not null,
    made_ms bigint not null,
    until_ms bigint not null
);
create index speaker_certificates_by_speaker on speaker_certificates (speaker);

alter table speakers add column disabled bigint not null default 0;
