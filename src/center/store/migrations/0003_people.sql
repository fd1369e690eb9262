-- People who sign in. Secrets: the password as an Argon2id PHC string, the second factor sealed under people.key, all else as SHA-256.
create table accounts (
    name text primary key,
    title text not null,
    password text not null,
    -- Roles and where they count, as JSON.
    grants text not null,
    disabled bigint not null,
    -- The sealed secret of the second factor; one that was not confirmed yet; the last step whose code was used.
    totp text,
    totp_pending text,
    totp_step bigint not null,
    -- Hashes of the recovery codes that are left, as JSON.
    recovery text not null,
    created_ms bigint not null,
    signed_in_ms bigint
);

create table sessions (
    -- SHA-256 of what the cookie holds.
    id text primary key,
    -- 'local' for who holds the data directory; then proof is the hash of that access token.
    account text not null,
    proof text not null,
    created_ms bigint not null,
    seen_ms bigint not null,
    address text not null,
    agent text not null
);
create index sessions_by_account on sessions (account);

-- Browsers (by the hash of a cookie) and addresses from which an account was signed in to: they keep a budget of their own.
create table known_places (
    account text not null,
    place text not null,
    used_ms bigint not null,
    primary key (account, place)
);

create table tokens (
    id text primary key,
    name text not null,
    account text not null,
    grants text not null,
    hash text not null unique,
    created_ms bigint not null,
    ends_ms bigint not null,
    used_ms bigint,
    revoked_ms bigint
);

-- The audit log: a chain, each line's hash over the one before it. docs/ARCHITECTURE.md says how.
create table audit (
    number bigint primary key,
    at_ms bigint not null,
    who text not null,
    source text not null,
    action text not null,
    target text not null,
    status bigint not null,
    times bigint not null,
    detail text not null,
    hash text not null
);
create table audit_head (id text primary key, number bigint not null, hash text not null);
insert into audit_head (id, number, hash) values ('head', 0, '');

-- Heads that the dispatcher has signed.
create table audit_seals (number bigint primary key, envelope text not null);
