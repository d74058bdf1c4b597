-- staff: operators, who are no accounts, their passkeys, sessions and invitations, and what needs four eyes.
CREATE TABLE staff_operator (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  handle     BYTEA NOT NULL UNIQUE,      -- WebAuthn user handle, random
  roles      TEXT NOT NULL,             -- JSON, sorted
  status     TEXT NOT NULL,             -- active | disabled
  invited_by TEXT NOT NULL,             -- an operator, or 'bootstrap'
  created_at BIGINT NOT NULL,
  version    BIGINT NOT NULL
);

-- Rows are never deleted: this is also the record of every key that was ever bound.
CREATE TABLE staff_key (
  id               TEXT PRIMARY KEY,
  operator         TEXT NOT NULL,
  credential_id    BYTEA NOT NULL UNIQUE,
  public_key       BYTEA NOT NULL,       -- COSE_Key as the authenticator wrote it
  alg              BIGINT NOT NULL,
  aaguid           BYTEA NOT NULL,
  grade            TEXT NOT NULL,
  be               BOOLEAN NOT NULL,
  bs               BOOLEAN NOT NULL,
  counter          BIGINT NOT NULL,
  counter_before   BIGINT NOT NULL,
  transports       TEXT NOT NULL,
  attestation      BYTEA NOT NULL,
  client_data_hash BYTEA NOT NULL,
  format           TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  last_used        BIGINT NOT NULL,
  removed_at       BIGINT NOT NULL,     -- 0: live
  version          BIGINT NOT NULL
);
CREATE INDEX staff_key_operator ON staff_key (operator);

CREATE TABLE staff_session (
  id         TEXT PRIMARY KEY,
  hash       BYTEA NOT NULL UNIQUE,      -- SHA-256 of the cookie
  operator   TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  ends_at    BIGINT NOT NULL,           -- at the latest, used or not
  last_used  BIGINT NOT NULL,
  ended_at   BIGINT NOT NULL,           -- 0: not ended by anybody
  version    BIGINT NOT NULL
);
CREATE INDEX staff_session_operator ON staff_session (operator);

CREATE TABLE staff_invite (
  hash       BYTEA PRIMARY KEY,          -- SHA-256 of what stands in the link
  operator   TEXT NOT NULL UNIQUE,      -- the id that joining makes
  handle     BYTEA NOT NULL,
  name       TEXT NOT NULL,
  roles      TEXT NOT NULL,
  bootstrap  BOOLEAN NOT NULL,
  invited_by TEXT NOT NULL,
  made_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL,
  voided_at  BIGINT NOT NULL
);

CREATE TABLE staff_spent (
  hash       BYTEA PRIMARY KEY,          -- SHA-256 of a challenge that was used
  expires_at BIGINT NOT NULL
);
CREATE INDEX staff_spent_expiry ON staff_spent (expires_at);

CREATE TABLE staff_request (
  id             TEXT PRIMARY KEY,
  kind           TEXT NOT NULL,
  target         TEXT NOT NULL,
  diff           TEXT NOT NULL,         -- JSON, never changes
  reason         TEXT NOT NULL,
  requester      TEXT NOT NULL,
  made_at        BIGINT NOT NULL,
  expires_at     BIGINT NOT NULL,
  state          TEXT NOT NULL,         -- open | approved | refused
  decided_by     TEXT NOT NULL,
  decided_at     BIGINT NOT NULL,
  decided_reason TEXT NOT NULL,
  version        BIGINT NOT NULL
);
CREATE INDEX staff_request_made ON staff_request (made_at);
