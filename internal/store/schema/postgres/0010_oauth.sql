-- oauth: the apps that may ask, and codes on their way. What an app was given is
-- session's (session_grant).
CREATE TABLE oauth_client (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  owner       TEXT NOT NULL,           -- who answers for it: a mail address or a team
  kind        TEXT NOT NULL,           -- public | confidential
  auth        TEXT NOT NULL,           -- none | client_secret_basic | private_key_jwt
  secret      BYTEA,                    -- SHA-256
  jwks        TEXT NOT NULL,           -- public keys of private_key_jwt; '' for none
  first_party BOOLEAN NOT NULL,
  domain      TEXT NOT NULL,           -- verified publisher; '' while nobody vouched
  redirects   TEXT NOT NULL,           -- JSON list, compared byte by byte
  scopes      TEXT NOT NULL,           -- what it may ask for, RFC 6749 §3.3
  audience    TEXT NOT NULL,           -- aud of its access tokens
  life        BIGINT NOT NULL,         -- microseconds a grant may live
  created_at  BIGINT NOT NULL,
  off_at      BIGINT NOT NULL DEFAULT 0,
  version     BIGINT NOT NULL
);
CREATE TABLE oauth_code (
  id        BYTEA PRIMARY KEY,          -- SHA-256
  client    TEXT NOT NULL,
  account   TEXT NOT NULL,
  session   TEXT NOT NULL,
  redirect  TEXT NOT NULL,
  challenge BYTEA NOT NULL,             -- SHA-256 of the verifier (RFC 7636 §4.2)
  scope     TEXT NOT NULL,
  nonce     TEXT NOT NULL,
  jkt       TEXT NOT NULL,             -- dpop_jkt (RFC 9449 §10); '' for none
  exp       BIGINT NOT NULL,
  spent_at  BIGINT NOT NULL DEFAULT 0,
  grt       TEXT NOT NULL DEFAULT ''   -- what it was spent for, so that a second use can end it
);
CREATE INDEX oauth_code_exp ON oauth_code (exp);
-- Authorization requests that wait for their person: pushed by the app (RFC 9126), or
-- kept so that the address of a page stays short.
CREATE TABLE oauth_ask (
  id     BYTEA PRIMARY KEY,             -- SHA-256
  client TEXT NOT NULL,
  query  TEXT NOT NULL,                -- as it came, form-encoded
  pushed BOOLEAN NOT NULL,
  exp    BIGINT NOT NULL
);
CREATE INDEX oauth_ask_exp ON oauth_ask (exp);
