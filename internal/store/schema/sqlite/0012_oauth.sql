-- oauth: what an app says it is for, the rules it lives under, the rich requests it may make, and how it hears that somebody left.
ALTER TABLE oauth_client ADD COLUMN purpose TEXT NOT NULL DEFAULT '';          -- in its own words, shown beside what it asks for
ALTER TABLE oauth_client ADD COLUMN profile TEXT NOT NULL DEFAULT '';          -- '' | fapi2
ALTER TABLE oauth_client ADD COLUMN details TEXT NOT NULL DEFAULT '';          -- types of authorization_details it may ask for (RFC 9396 §10)
ALTER TABLE oauth_client ADD COLUMN backchannel TEXT NOT NULL DEFAULT '';      -- backchannel_logout_uri
ALTER TABLE oauth_client ADD COLUMN after_logout TEXT NOT NULL DEFAULT '[]';   -- post_logout_redirect_uris, JSON list
ALTER TABLE oauth_code ADD COLUMN details TEXT NOT NULL DEFAULT '';            -- authorization_details agreed to, JSON
-- Which apps were let in from a session that ended.
CREATE INDEX session_grant_session ON session_grant (session);
