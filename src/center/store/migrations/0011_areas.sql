-- Units as the state made, merged and ended them; dates as YYYY-MM-DD.
alter table areas add column valid_from text;
alter table areas add column valid_to text;
-- The unit that it has become part of, or that does its work now.
alter table areas add column replaced_by text;

-- What a speaker's board was told of its place when it was enrolled: its path and the version of the trust list, as JSON. Null of
-- those from before this column: the place in which they stand.
alter table speakers add column pinned text;
create index speakers_by_area on speakers (area);
