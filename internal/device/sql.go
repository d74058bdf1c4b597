package device

const (
	sqlSpend       = `INSERT INTO device_spent (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`
	sqlSweepSpent  = `DELETE FROM device_spent WHERE expires_at < $1`
	sqlSweepProofs = `DELETE FROM device_proof WHERE at < $1`

	// A newer touch for the same act of the same session replaces the older one.
	sqlKeepProof = `INSERT INTO device_proof (session, act_kind, act_object, account, device, key_id, grade, regressed, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (session, act_kind, act_object) DO UPDATE SET account = excluded.account, device = excluded.device,
 key_id = excluded.key_id, grade = excluded.grade, regressed = excluded.regressed, at = excluded.at`

	sqlRedeemProof = `DELETE FROM device_proof WHERE ` + redeemable + ` RETURNING device, key_id, grade, regressed, at`
	sqlKept        = `SELECT key_id FROM device_proof WHERE ` + redeemable

	// The key is live, and the device that asks was not removed: a touch that was given
	// before its key or the device went opens nothing afterwards. A join asks from no device.
	redeemable = `session = $1 AND account = $2 AND act_kind = $3 AND act_object = $4 AND at > $5
 AND EXISTS (SELECT 1 FROM device_key k WHERE k.id = device_proof.key_id AND k.account = $2 AND k.removed_at = 0)
 AND ($7 OR EXISTS (SELECT 1 FROM device_device d WHERE d.id = $6 AND d.account = $2))`

	sqlForgetDevice = `DELETE FROM device_device WHERE id = $1 AND account = $2`
)

const keyCols = `id, account, device, name, aaguid, grade, be, bs, counter, created_at, last_used, removed_at, version, credential_id, transports, evidence, kind, session_jkt`

const keyInsert = `INSERT INTO device_key (id, account, device, handle, name, credential_id, public_key, alg, aaguid,
 grade, be, bs, counter, counter_before, transports, attestation, client_data_hash, format, source, created_at, last_used, removed_at, removed_by, version, evidence, kind, session_jkt, app_key) `

const (
	sqlInsertKey = keyInsert + `VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $16, $17, $18, $19, 0, 0, '', 1, $20, $21, $22, $23)
ON CONFLICT DO NOTHING`

	// "No key, ever" is part of the statement; removed keys count.
	sqlInsertFirstKey = keyInsert + `SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $16, $17, $18, $19, 0, 0, '', 1, $20, $21, $22, $23
WHERE NOT EXISTS (SELECT 1 FROM device_key WHERE account = $2)
ON CONFLICT DO NOTHING`

	sqlCredentialKnown = `SELECT 1 FROM device_key WHERE credential_id = $1`

	sqlKey         = `SELECT ` + keyCols + ` FROM device_key WHERE id = $1 AND account = $2`
	sqlKeys        = `SELECT ` + keyCols + ` FROM device_key WHERE account = $1 AND removed_at = 0 ORDER BY created_at, id`
	sqlRemovedKeys = `SELECT ` + keyCols + ` FROM device_key WHERE account = $1 AND removed_at > 0 ORDER BY removed_at DESC, id LIMIT 200`

	sqlRenameKey = `UPDATE device_key SET name = $3, version = version + 1 WHERE id = $1 AND account = $2 AND removed_at = 0`

	// Never the last way in.
	sqlRemoveKey = `UPDATE device_key SET removed_at = $3, removed_by = $4, version = version + 1 WHERE id = $1 AND account = $2 AND removed_at = 0
 AND EXISTS (SELECT 1 FROM device_key o WHERE o.account = $2 AND o.id <> $1 AND o.removed_at = 0)`

	sqlDetachKey = `UPDATE device_key SET device = '', version = version + 1 WHERE id = $1 AND account = $2 AND device = $3 AND removed_at = 0`

	// What an assertion is judged by, read outside any transaction.
	sqlForAssert = `SELECT id, account, name, handle, public_key, be, kind, session_jkt, app_key, counter FROM device_key WHERE credential_id = $1`

	// The right-hand sides read the row as it was, so counter_before is the
	// counter this touch had to beat. The larger one stays: a copy that fell
	// behind keeps being noticed.
	sqlUseKey = `UPDATE device_key SET bs = $2, counter_before = counter, counter = CASE WHEN $3 > counter THEN $3 ELSE counter END,
 last_used = $4, version = version + 1 WHERE id = $1 AND removed_at = 0
RETURNING account, device, grade, counter_before`
)

const (
	sqlCountKeys = `SELECT COUNT(*) FROM device_key WHERE removed_at = 0`

	// What nobody ever vouched for cannot fall, nor rise by a list.
	sqlJudgeable = `SELECT id, account, name, format, grade, be, aaguid, attestation, client_data_hash, public_key, kind, session_jkt, credential_id, created_at, evidence
FROM device_key WHERE id > $1 AND removed_at = 0 AND format <> 'none' AND attestation IS NOT NULL AND evidence <> '' ORDER BY id LIMIT $2`

	sqlRegrade = `UPDATE device_key SET grade = $2, evidence = $3, version = version + 1 WHERE id = $1 AND removed_at = 0 AND evidence = $4 RETURNING version`

	sqlForgetProofs = `DELETE FROM device_proof WHERE key_id = $1`
)

const (
	sqlListFloor = `SELECT number FROM device_list WHERE name = $1`

	// One statement: of two processes that read two files at once, the lower number
	// never replaces the higher.
	sqlNoteList = `INSERT INTO device_list (name, number, taken_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET number = excluded.number, taken_at = excluded.taken_at`
	sqlTakeList = `INSERT INTO device_list (name, number, taken_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET number = excluded.number, taken_at = excluded.taken_at WHERE device_list.number <= excluded.number
RETURNING number`
)

const deviceCols = `id, account, name, platform, browser, first_seen, last_seen, version`

const (
	sqlExpectDevice = `INSERT INTO device_device (id, account, cookie_hash, name, platform, browser, first_seen, last_seen, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0) ON CONFLICT (account, cookie_hash) DO NOTHING`

	sqlMeetDevice = `INSERT INTO device_device (id, account, cookie_hash, name, platform, browser, first_seen, last_seen, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)
ON CONFLICT (account, cookie_hash) DO UPDATE SET platform = excluded.platform, browser = excluded.browser,
 last_seen = excluded.last_seen, first_seen = CASE WHEN device_device.version = 0 THEN excluded.first_seen ELSE device_device.first_seen END,
 version = device_device.version + 1
RETURNING ` + deviceCols

	sqlDevice         = `SELECT ` + deviceCols + ` FROM device_device WHERE id = $1 AND account = $2`
	sqlDeviceByCookie = `SELECT ` + deviceCols + ` FROM device_device WHERE account = $1 AND cookie_hash = $2`
	sqlDevices        = `SELECT ` + deviceCols + ` FROM device_device WHERE account = $1 ORDER BY last_seen DESC, id LIMIT 200`
	// A name makes no device that was never seen a known one.
	sqlRenameDevice = `UPDATE device_device SET name = $3, version = CASE WHEN version = 0 THEN 0 ELSE version + 1 END WHERE id = $1 AND account = $2 RETURNING ` + deviceCols
	sqlSeenDevice   = `UPDATE device_device SET last_seen = $2 WHERE id = $1 AND last_seen < $2`

	sqlEraseDevices = `UPDATE device_device SET name = '', platform = '', browser = '', cookie_hash = NULL, version = version + 1 WHERE account = $1`
	sqlEraseProofs  = `DELETE FROM device_proof WHERE account = $1`
	sqlEraseKeys    = `UPDATE device_key SET name = '', handle = NULL, attestation = NULL, client_data_hash = NULL, session_jkt = '', app_key = NULL, evidence = '', version = version + 1,
 removed_by = CASE WHEN removed_at = 0 THEN 'erased' ELSE removed_by END,
 removed_at = CASE WHEN removed_at = 0 THEN $2 ELSE removed_at END WHERE account = $1`
)
