-- device: browsers and apps people sign in from, the keys they hold, touches kept for a moment.

CREATE TABLE device_device (
  id          TEXT PRIMARY KEY,
  account     TEXT NOT NULL,
  cookie_hash BLOB,                     -- SHA-256 of the __Host-kw_device cookie; NULL: erased
  name        TEXT NOT NULL,
  platform    TEXT NOT NULL,
  browser     TEXT NOT NULL,
  first_seen  BIGINT NOT NULL,
  last_seen   BIGINT NOT NULL,
  version     BIGINT NOT NULL,
  UNIQUE (account, cookie_hash)
);

-- Rows are never deleted: this is also the record of every key that was ever bound.
CREATE TABLE device_key (
  id             TEXT PRIMARY KEY,
  account        TEXT NOT NULL,
  device         TEXT NOT NULL,          -- where it was enrolled
  handle         BLOB,                  -- the owner's WebAuthn user handle; NULL: erased
  name           TEXT NOT NULL,
  credential_id  BLOB NOT NULL UNIQUE,  -- across all accounts (WebAuthn L3 §7.1 step 26)
  public_key     BLOB NOT NULL,         -- COSE_Key as the authenticator wrote it
  alg            BIGINT NOT NULL,
  aaguid         BLOB NOT NULL,
  grade          TEXT NOT NULL,
  be             BOOLEAN NOT NULL,       -- never changes
  bs             BOOLEAN NOT NULL,
  counter        BIGINT NOT NULL,
  counter_before BIGINT NOT NULL,        -- what the last touch had to beat
  transports     TEXT NOT NULL,          -- JSON
  attestation    BLOB,                  -- the whole attestation object, to be judged again
  client_data_hash BLOB,                -- SHA-256 of the client data that its statement signs; the challenge in them is nobody's business
  format         TEXT NOT NULL,
  source         TEXT NOT NULL,          -- 'first' or 'by:key_…'
  created_at     BIGINT NOT NULL,
  last_used      BIGINT NOT NULL,
  removed_at     BIGINT NOT NULL,        -- 0: live
  removed_by     TEXT NOT NULL,
  version        BIGINT NOT NULL
);

CREATE INDEX device_key_account ON device_key (account);
CREATE UNIQUE INDEX device_key_first ON device_key (account) WHERE source = 'first';

CREATE TABLE device_proof (
  session    TEXT NOT NULL,
  act_kind   TEXT NOT NULL,
  act_object TEXT NOT NULL,
  account    TEXT NOT NULL,
  device     TEXT NOT NULL,
  key_id     TEXT NOT NULL,
  grade      TEXT NOT NULL,
  regressed  BOOLEAN NOT NULL,
  at         BIGINT NOT NULL,
  PRIMARY KEY (session, act_kind, act_object)
);

CREATE INDEX device_proof_at ON device_proof (at);

CREATE TABLE device_spent (
  hash       BLOB PRIMARY KEY,          -- SHA-256 of a challenge that was used
  expires_at BIGINT NOT NULL
);

CREATE INDEX device_spent_expiry ON device_spent (expires_at);
