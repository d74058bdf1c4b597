-- apikey: what finds a secret that somebody reports, what fell asleep, and keys that are traps.
-- The digest is keyed (under the root, which is not in the database): a thief of these rows
-- cannot try guesses against it. NULL: not worked out yet; the server does it within a minute.
ALTER TABLE apikey_version ADD COLUMN lookup BYTEA;
ALTER TABLE apikey_version ADD COLUMN leaked_at BIGINT NOT NULL DEFAULT 0;  -- when somebody first showed that they have it; 0: nobody did
ALTER TABLE apikey_version ADD COLUMN leaked_via TEXT NOT NULL DEFAULT '';  -- github | report | operator
ALTER TABLE apikey_version ADD COLUMN leaked_url TEXT NOT NULL DEFAULT '';  -- where, as far as it is told
CREATE INDEX apikey_version_lookup ON apikey_version (lookup);
CREATE INDEX apikey_version_unfound ON apikey_version (key_id) WHERE lookup IS NULL AND (sealed IS NOT NULL OR public IS NOT NULL);
ALTER TABLE apikey_key ADD COLUMN honey BOOLEAN NOT NULL DEFAULT FALSE;     -- a trap: belongs to nobody, opens nothing
ALTER TABLE apikey_key ADD COLUMN asleep BIGINT NOT NULL DEFAULT 0;         -- 1: money | 2: and trading | 3: all but reading
ALTER TABLE apikey_key ADD COLUMN idle_since BIGINT NOT NULL DEFAULT 0;     -- what the step was counted from
ALTER TABLE apikey_key ADD COLUMN warned BIGINT NOT NULL DEFAULT 0;         -- the step that its owner was warned of
ALTER TABLE apikey_key ADD COLUMN warned_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE apikey_key ADD COLUMN woken_at BIGINT NOT NULL DEFAULT 0;       -- when its owner woke it
