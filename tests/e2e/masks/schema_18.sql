-- What is added to `schema.sql` on servers that know columns that are computed when they are read.

ALTER TABLE members
    ADD whisper text GENERATED ALWAYS AS (lower(email)) VIRTUAL,
    ADD caption text GENERATED ALWAYS AS (name || '?') VIRTUAL;
ANALYZE members;
