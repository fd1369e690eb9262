-- What the authority said to the whole site, every version: trust lists by their version, successions by their order.
create table authority_statements (
    kind text not null,
    number bigint not null,
    envelope text not null,
    made_ms bigint not null,
    primary key (kind, number)
);

-- A revision may be approved by several people.
create table approvals (
    bulletin text not null,
    revision bigint not null,
    approver text not null,
    envelope text not null,
    added_ms bigint not null,
    primary key (bulletin, revision, approver)
);
insert into approvals (bulletin, revision, approver, envelope, added_ms)
    select bulletin, revision, '', approval, created_ms from revisions where approval is not null;
alter table revisions drop column approval;

create table tickets (
    id text primary key,
    approver text not null,
    valid_until_ms bigint not null,
    envelope text not null,
    added_ms bigint not null
);
