-- confirm: withdrawals that somebody is asked to approve, and the addresses of an account.
CREATE TABLE confirm_intent (
  id         TEXT PRIMARY KEY,
  account    TEXT NOT NULL,
  client     TEXT NOT NULL,             -- the back end that asked; the proof is for it alone
  asset      TEXT NOT NULL,
  network    TEXT NOT NULL,
  amount     TEXT NOT NULL,             -- as it was written: it is signed letter by letter
  max_fee    TEXT NOT NULL,
  address    TEXT NOT NULL,             -- '' when erased, and so are memo and evidence
  memo       TEXT NOT NULL,
  created_at BIGINT NOT NULL,           -- whole seconds, as signed
  expires_at BIGINT NOT NULL,
  session    TEXT NOT NULL,             -- where it was asked from, '' when the back end did not say
  device     TEXT NOT NULL,
  seal       BYTEA NOT NULL,             -- MAC over the signed form: a row that was changed approves nothing
  state      TEXT NOT NULL,             -- pending -> approved | refused | expired
  decided_at BIGINT NOT NULL,
  decided_in TEXT NOT NULL,             -- session, '' when time decided
  key_id     TEXT NOT NULL,
  grade      TEXT NOT NULL,
  rule       TEXT NOT NULL,             -- why the approval was enough: hardware, second_device, small
  evidence   TEXT NOT NULL,             -- JSON: the person's own signature
  version    BIGINT NOT NULL
);
CREATE INDEX confirm_intent_account ON confirm_intent (account, state);
CREATE INDEX confirm_intent_pending ON confirm_intent (state, expires_at);

CREATE TABLE confirm_address (
  account    TEXT NOT NULL,
  asset      TEXT NOT NULL,
  network    TEXT NOT NULL,
  address    TEXT NOT NULL,
  memo       TEXT NOT NULL,
  first_at   BIGINT NOT NULL,           -- first asked for
  hold_until BIGINT NOT NULL,           -- no shorter, ever
  uses       BIGINT NOT NULL,           -- approved withdrawals
  used_at    BIGINT NOT NULL,           -- the last of them
  PRIMARY KEY (account, asset, network, address, memo)
);
