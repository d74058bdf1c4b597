-- apikey: how much a key may trade a day, in millionths of the currency; 0: no cap.
ALTER TABLE apikey_key ADD COLUMN per_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE apikey_key ADD COLUMN per_day_in TEXT NOT NULL DEFAULT '';
-- What the keys with a cap have traded, by day (UTC).
CREATE TABLE apikey_spent (
  key_id TEXT NOT NULL,
  day    BIGINT NOT NULL,               -- start of it
  spent  BIGINT NOT NULL,               -- millionths
  PRIMARY KEY (key_id, day)
);
CREATE INDEX apikey_spent_day ON apikey_spent (day);
