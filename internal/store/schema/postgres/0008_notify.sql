-- How far notify has read the audit log. One row per follower.
CREATE TABLE notify_cursor (
	name     TEXT PRIMARY KEY,
	at       BIGINT NOT NULL, -- index of the last event taken in; -1: none yet
	moved_at BIGINT NOT NULL
);

-- What became of each mail. No address, no text, no link.
CREATE TABLE notify_sent (
	id       TEXT PRIMARY KEY, -- event/contact: the stable id of one mail, also its Message-ID
	event    TEXT NOT NULL,
	account  TEXT NOT NULL,
	contact  TEXT NOT NULL,
	kind     TEXT NOT NULL,
	state    TEXT NOT NULL, -- trying | sent | refused | limited | moot | nobody
	detail   TEXT NOT NULL, -- why, for operators
	tries    BIGINT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at  BIGINT NOT NULL
);
CREATE INDEX notify_sent_account ON notify_sent (account, first_at);
CREATE INDEX notify_sent_last ON notify_sent (last_at);

-- The last three mails to an address that strangers could cause.
CREATE TABLE notify_rate (
	addr BYTEA PRIMARY KEY, -- MAC of the address
	t1   BIGINT NOT NULL,
	t2   BIGINT NOT NULL,
	t3   BIGINT NOT NULL
);
CREATE INDEX notify_rate_t1 ON notify_rate (t1);
