-- audit: the event log. An event row is written once, in the transaction of the
-- change it tells about; later only erasure touches it (payload and salt).
CREATE TABLE audit_event (
  id           TEXT PRIMARY KEY,
  at           BIGINT NOT NULL,
  action       TEXT NOT NULL,
  actor        TEXT NOT NULL,           -- 'account' alone: the account of this event
  account      TEXT NOT NULL,           -- whose history it is; '' for none
  target       TEXT NOT NULL,
  request      TEXT NOT NULL,
  shown        BOOLEAN NOT NULL,        -- on the owner's activity page
  effects      TEXT NOT NULL,           -- [["kind","id",version],…], hashed as it stands
  payload      TEXT,                    -- personal, JSON with sorted keys; NULL when erased
  salt         BLOB,
  payload_hash BLOB NOT NULL,           -- SHA-256(salt ‖ payload)
  mac          BLOB NOT NULL            -- 128 bits, over header and payload_hash
) WITHOUT ROWID;
CREATE INDEX audit_event_account ON audit_event (account, shown, id) WHERE account <> '';
CREATE INDEX audit_event_request ON audit_event (request) WHERE shown AND request <> '';

-- The order of the log, insert-only and without gaps. SQLite has one writer, so
-- the place is given in the event's own transaction, by the trigger: an event
-- without a place cannot exist, whoever inserted it.
CREATE TABLE audit_index (
  n     INTEGER PRIMARY KEY,
  event TEXT NOT NULL UNIQUE
);
CREATE TRIGGER audit_event_place AFTER INSERT ON audit_event BEGIN
  INSERT INTO audit_index (n, event)
  VALUES ((SELECT coalesce(max(n) + 1, 0) FROM audit_index), NEW.id);
END;

-- Events without a place yet. Always empty here; PostgreSQL fills it.
CREATE TABLE audit_pending (
  event   TEXT PRIMARY KEY,
  refused BOOLEAN NOT NULL DEFAULT FALSE -- its MAC is not ours
) WITHOUT ROWID;

-- Stored hashes of the Merkle tree in the order of tlog.StoredHashIndex, cut
-- into rows as they were computed. Insert-only.
CREATE TABLE audit_hash (
  first  BIGINT PRIMARY KEY,            -- stored hash index of the first one
  size   BIGINT NOT NULL,               -- tree size after the last one
  hashes BLOB NOT NULL                  -- 32 bytes each
) WITHOUT ROWID;

CREATE TABLE audit_checkpoint (
  size BIGINT PRIMARY KEY,
  at   BIGINT NOT NULL,
  kept BOOLEAN NOT NULL DEFAULT FALSE,  -- was anchored; the others go after a day
  note TEXT NOT NULL                    -- signed
) WITHOUT ROWID;
CREATE INDEX audit_checkpoint_old ON audit_checkpoint (at) WHERE NOT kept;

-- Anchors that an operator accepted to be ahead of this database.
CREATE TABLE audit_restore (
  anchor BLOB PRIMARY KEY,              -- SHA-256 of the anchor file
  event  TEXT NOT NULL
) WITHOUT ROWID;

-- Who may seal. n is the fence, beat shows that the holder is alive.
CREATE TABLE audit_sealer (
  id   TEXT PRIMARY KEY,
  n    BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  free BOOLEAN NOT NULL
) WITHOUT ROWID;
INSERT INTO audit_sealer (id, n, beat, free) VALUES ('sealer', 0, 0, TRUE);

-- Processes that answer from memory and must have heard of a revocation.
CREATE TABLE audit_lease (
  id TEXT PRIMARY KEY,
  n  BIGINT NOT NULL,
  at BIGINT NOT NULL
) WITHOUT ROWID;
