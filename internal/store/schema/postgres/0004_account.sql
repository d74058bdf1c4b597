-- account: the account itself, ways to reach its owner, holds, answers kept for retries.

CREATE TABLE account_account (
  id           TEXT PRIMARY KEY,
  external_id  TEXT UNIQUE,              -- NULL: the exchange gave none, or erased
  status       TEXT NOT NULL,
  brand        TEXT NOT NULL,
  jurisdiction TEXT NOT NULL,
  lang         TEXT NOT NULL,
  epoch        BIGINT NOT NULL,
  freezes      BIGINT NOT NULL,         -- that ended; links to freeze from before are dead
  version      BIGINT NOT NULL,
  created_at   BIGINT NOT NULL,
  handle       BYTEA UNIQUE,             -- WebAuthn user handle; NULL: erased
  phrase       TEXT NOT NULL
);

CREATE TABLE account_contact (
  id          TEXT PRIMARY KEY,
  account     TEXT NOT NULL,
  kind        TEXT NOT NULL,
  value       TEXT NOT NULL,
  verified_at BIGINT NOT NULL,           -- 0: claimed only
  added_at    BIGINT NOT NULL,
  UNIQUE (account, kind, value)
);

-- Only verified addresses are unique: a stranger's claim must not block the owner.
CREATE UNIQUE INDEX account_contact_verified ON account_contact (value, kind) WHERE verified_at > 0;

CREATE TABLE account_hold (
  account   TEXT NOT NULL,
  what      TEXT NOT NULL,
  until_at  BIGINT NOT NULL,             -- only ever grows
  because   TEXT NOT NULL,
  placed_at BIGINT NOT NULL,
  PRIMARY KEY (account, what)
);

CREATE TABLE account_idempotency (
  client     TEXT NOT NULL,
  key_hash   BYTEA NOT NULL,
  body_hash  BYTEA NOT NULL,
  status     BIGINT NOT NULL,            -- 0: in progress
  body       BYTEA,                      -- sealed
  created_at BIGINT NOT NULL,
  PRIMARY KEY (client, key_hash)
);

CREATE INDEX account_idempotency_age ON account_idempotency (created_at);
