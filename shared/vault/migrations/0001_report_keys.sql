-- Report keys, wrapped; who used them; nothing that a report says.
create schema if not exists vault;

create table if not exists vault.report_key (
    report_id    text        primary key check (report_id ~ '^[0-9A-HJKMNP-TV-Z]{12}$'),
    wrapped      bytea       not null,
    created_at   timestamptz not null default now(),
    destroyed_at timestamptz,
    -- a destroyed key keeps its row, so that the report is never given a second one
    check ((destroyed_at is not null) = (length(wrapped) = 0))
);

create table if not exists vault.key_use (
    id         bigint      generated always as identity primary key,
    used_at    timestamptz not null default now(),
    used_by    text        not null default current_user,
    stage      text        not null,
    purpose    text        not null,
    report_ids text[]      not null
);

create index if not exists key_use_used_at on vault.key_use (used_at);
create index if not exists key_use_report_ids on vault.key_use using gin (report_ids);
