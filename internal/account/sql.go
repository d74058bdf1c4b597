package account

const cols = `id, COALESCE(external_id, ''), status, brand, jurisdiction, lang, epoch, freezes, version, created_at, COALESCE(handle, ''), phrase`

const (
	sqlInsert = `INSERT INTO account_account (id, external_id, status, brand, jurisdiction, lang, epoch, freezes, version, created_at, handle, phrase)
VALUES ($1, $2, $3, $4, $5, $6, 1, 0, 1, $7, $8, '') ON CONFLICT DO NOTHING`

	sqlByID       = `SELECT ` + cols + ` FROM account_account WHERE id = $1`
	sqlStatus     = `SELECT status FROM account_account WHERE id = $1` // all that a gate may read
	sqlByExternal = `SELECT ` + cols + ` FROM account_account WHERE external_id = $1`
	sqlByHandle   = `SELECT ` + cols + ` FROM account_account WHERE handle = $1`
	sqlByMail     = `SELECT ` + cols + ` FROM account_account
WHERE id = (SELECT account FROM account_contact WHERE value = $1 AND kind = 'mail' AND verified_at > 0)`

	sqlBumpEpoch = `UPDATE account_account SET epoch = epoch + 1, version = version + 1 WHERE id = $1 RETURNING epoch`
	sqlTouch     = `UPDATE account_account SET version = version + 1 WHERE id = $1 AND status <> 'closed' RETURNING version`
	sqlSetStatus = `UPDATE account_account SET status = $2, version = version + 1,
 freezes = freezes + CASE WHEN status = 'frozen' AND $2 <> 'frozen' THEN 1 ELSE 0 END WHERE id = $1 AND status <> 'closed' RETURNING version`
	sqlSetLang   = `UPDATE account_account SET lang = $2, version = version + 1 WHERE id = $1 AND status <> 'closed' RETURNING version`
	sqlSetPhrase = `UPDATE account_account SET phrase = $2, version = version + 1 WHERE id = $1 AND status <> 'closed' RETURNING version`

	sqlErase = `UPDATE account_account SET external_id = NULL, handle = NULL, brand = '', jurisdiction = '', lang = '', phrase = '',
 status = 'closed', epoch = epoch + 1, version = version + 1 WHERE id = $1`
	sqlEraseContacts = `DELETE FROM account_contact WHERE account = $1`
	sqlEraseHolds    = `UPDATE account_hold SET because = '' WHERE account = $1`
)

const contactCols = `id, account, kind, value, verified_at, added_at`

const (
	// The bound and the "not twice" are part of the statement, so that two
	// requests at once cannot both slip under them.
	sqlInsertContact = `INSERT INTO account_contact (id, account, kind, value, verified_at, added_at)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), 'mail', CAST($3 AS TEXT), 0, CAST($4 AS BIGINT)
WHERE (SELECT COUNT(*) FROM account_contact WHERE account = $2) < $5
ON CONFLICT (account, kind, value) DO NOTHING`

	sqlContacts      = `SELECT ` + contactCols + ` FROM account_contact WHERE account = $1 ORDER BY added_at, id`
	sqlContact       = `SELECT ` + contactCols + ` FROM account_contact WHERE id = $1`
	sqlContactByMail = `SELECT ` + contactCols + ` FROM account_contact WHERE account = $1 AND kind = 'mail' AND value = $2`

	// Never the last verified address: the owner must stay reachable.
	sqlRemoveContact = `DELETE FROM account_contact WHERE id = $1 AND account = $2
 AND (verified_at = 0 OR EXISTS (SELECT 1 FROM account_contact o WHERE o.account = $2 AND o.id <> $1 AND o.verified_at > 0))
RETURNING ` + contactCols

	// One statement decides a link: once, and only while nobody else has the
	// address. The partial unique index is the backstop of the second half.
	sqlConfirm = `UPDATE account_contact SET verified_at = $2
WHERE id = $1 AND verified_at = 0
 AND NOT EXISTS (SELECT 1 FROM account_contact o WHERE o.kind = account_contact.kind AND o.value = account_contact.value AND o.verified_at > 0)
RETURNING ` + contactCols
)

const (
	// until = max(until, new): no statement of this program shortens a hold.
	sqlHold = `INSERT INTO account_hold (account, what, until_at, because, placed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account, what) DO UPDATE SET
 because  = CASE WHEN excluded.until_at > account_hold.until_at THEN excluded.because ELSE account_hold.because END,
 until_at = CASE WHEN excluded.until_at > account_hold.until_at THEN excluded.until_at ELSE account_hold.until_at END
RETURNING until_at, because, placed_at`

	sqlHeldUntil = `SELECT what, until_at FROM account_hold WHERE account = $1 AND until_at > $2`
	sqlHolds     = `SELECT what, until_at, because, placed_at FROM account_hold WHERE account = $1 AND until_at > $2 ORDER BY what`
	sqlHeld      = `SELECT what, until_at, because, placed_at FROM account_hold WHERE account = $1 AND until_at > $2 AND what = $3`
)

const (
	sqlOnceClaim = `INSERT INTO account_idempotency (client, key_hash, body_hash, status, body, created_at) VALUES ($1, $2, $3, 0, NULL, $4)
ON CONFLICT (client, key_hash) DO NOTHING`
	sqlOnceRead    = `SELECT body_hash, status, body FROM account_idempotency WHERE client = $1 AND key_hash = $2`
	sqlOnceDone    = `UPDATE account_idempotency SET status = $3, body = $4 WHERE client = $1 AND key_hash = $2 AND status = 0`
	sqlOnceRelease = `DELETE FROM account_idempotency WHERE client = $1 AND key_hash = $2 AND status = 0`
	sqlOnceSweep   = `DELETE FROM account_idempotency WHERE created_at < $1`
)
