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
  salt         BYTEA,
  payload_hash BYTEA NOT NULL,          -- SHA-256(salt ‖ payload)
  mac          BYTEA NOT NULL           -- 128 bits, over header and payload_hash
);
CREATE INDEX audit_event_account ON audit_event (account, shown, id) WHERE account <> '';
CREATE INDEX audit_event_request ON audit_event (request) WHERE shown AND request <> '';

-- The order of the log, insert-only and without gaps. Only the sealer writes it:
-- writers that took numbers themselves would wait for each other or leave gaps.
CREATE TABLE audit_index (
  n     BIGINT PRIMARY KEY,
  event TEXT NOT NULL UNIQUE
);

-- Events without a place yet. Writers only insert, so that two of them never
-- have a reason to conflict; the sealer deletes what it has placed. A trigger
-- fills it, so that an event can neither be forgotten here nor hide from it.
CREATE TABLE audit_pending (
  event   TEXT PRIMARY KEY,
  refused BOOLEAN NOT NULL DEFAULT FALSE -- its MAC is not ours
);
CREATE FUNCTION audit_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_pending (event) VALUES (NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER audit_event_pending AFTER INSERT ON audit_event
  FOR EACH ROW EXECUTE FUNCTION audit_enqueue();

-- Stored hashes of the Merkle tree in the order of tlog.StoredHashIndex, cut
-- into rows as they were computed. Insert-only.
CREATE TABLE audit_hash (
  first  BIGINT PRIMARY KEY,            -- stored hash index of the first one
  size   BIGINT NOT NULL,               -- tree size after the last one
  hashes BYTEA NOT NULL                 -- 32 bytes each
);

CREATE TABLE audit_checkpoint (
  size BIGINT PRIMARY KEY,
  at   BIGINT NOT NULL,
  kept BOOLEAN NOT NULL DEFAULT FALSE,  -- was anchored; the others go after a day
  note TEXT NOT NULL                    -- signed
);
CREATE INDEX audit_checkpoint_old ON audit_checkpoint (at) WHERE NOT kept;

-- Anchors that an operator accepted to be ahead of this database.
CREATE TABLE audit_restore (
  anchor BYTEA PRIMARY KEY,             -- SHA-256 of the anchor file
  event  TEXT NOT NULL
);

-- Who may seal. n is the fence, beat shows that the holder is alive.
CREATE TABLE audit_sealer (
  id   TEXT PRIMARY KEY,
  n    BIGINT NOT NULL,
  beat BIGINT NOT NULL,
  free BOOLEAN NOT NULL
);
INSERT INTO audit_sealer (id, n, beat, free) VALUES ('sealer', 0, 0, TRUE);

-- Processes that answer from memory and must have heard of a revocation.
CREATE TABLE audit_lease (
  id TEXT PRIMARY KEY,
  n  BIGINT NOT NULL,
  at BIGINT NOT NULL
);
