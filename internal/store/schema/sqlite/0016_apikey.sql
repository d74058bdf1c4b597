-- apikey: one version of what signs replaces another while both work.
ALTER TABLE apikey_version ADD COLUMN name TEXT NOT NULL DEFAULT '';  -- the id its requests carry, for a key that was brought in; '' is the key's own
CREATE INDEX apikey_version_name ON apikey_version (name) WHERE name <> '';
CREATE INDEX apikey_version_ends ON apikey_version (ends_at) WHERE ends_at > 0;
CREATE INDEX apikey_key_expires ON apikey_key (expires);
-- How each version after the first came to be.
CREATE TABLE apikey_rotation (
  key_id      TEXT NOT NULL,
  n           BIGINT NOT NULL,           -- the version that was made
  how         TEXT NOT NULL,             -- owner | self
  why         TEXT NOT NULL,             -- cadence | leak | update
  began_at    BIGINT NOT NULL,
  had_expires BIGINT NOT NULL,           -- of the key, before
  request     BLOB,                      -- hash of what a bot asked for itself: a lost answer is given again
  PRIMARY KEY (key_id, n)
) WITHOUT ROWID;
-- Which version signed, by minute, while there are two of them.
CREATE TABLE apikey_meter (
  key_id  TEXT NOT NULL,
  n       BIGINT NOT NULL,               -- of the version
  minute  BIGINT NOT NULL,               -- start of it
  addr    TEXT NOT NULL,                 -- '' when there were too many to name
  code    TEXT NOT NULL,                 -- '' was allowed
  uses    BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (key_id, n, minute, addr, code)
) WITHOUT ROWID;
CREATE INDEX apikey_meter_minute ON apikey_meter (minute);
-- Which reminders of which end were sent.
CREATE TABLE apikey_reminder (
  key_id  TEXT NOT NULL,
  expires BIGINT NOT NULL,
  days    BIGINT NOT NULL,               -- 14 | 7 | 3 | 1
  sent_at BIGINT NOT NULL,
  PRIMARY KEY (key_id, expires, days)
) WITHOUT ROWID;
-- What a partner announced, for each key that is lent to it.
CREATE TABLE apikey_asked (
  key_id  TEXT NOT NULL,
  what    TEXT NOT NULL,                 -- its version, in the partner's words
  why     TEXT NOT NULL,
  at      BIGINT NOT NULL,
  PRIMARY KEY (key_id, what)
) WITHOUT ROWID;
