package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"keyward/internal/keyring"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// Signed-in people are loaded as rows: signing a million of them in one by one
// would take half an hour. The rows are those that session.Start writes; the
// tokens are minted with the deployment's own key, and if they were wrong the
// first refresh would say so.

// seat is somebody who is signed in, as their browser knows it.
type seat struct {
	family string
	token  string              // the newest refresh token
	key    *softkey.BindingKey // nil: unbound
	addr   string
	app    string // who holds it, when it is not the session itself
}

// population says whom to load.
type population struct {
	rows int // sessions, each with one family
	used int // of these, spread evenly over all, so many get seats
	keys []*softkey.BindingKey

	// The apps that got a grant in each session: one with a secret where the person
	// has no key, a public one bound to the key otherwise. The tokens of the seats are
	// theirs then, and the session's own family, which no app comes near, is left out.
	secret, public string
}

// app of person i; "" in a population without apps.
func (p population) app(i int) string {
	if p.key(i) != nil {
		return p.public
	}
	return p.secret
}

// key of person i: every other one of a population with keys is bound to one of
// them.
func (p population) key(i int) *softkey.BindingKey {
	if len(p.keys) == 0 || i%2 == 0 {
		return nil
	}
	return p.keys[i/2%len(p.keys)]
}

// address spreads people over the blocks that limits count by: each has their own
// address, and up to 65 536 of them their own /24.
func address(i int) string { return fmt.Sprintf("10.%d.%d.7", i>>8&255, i&255) }

const (
	sessionColumns = "id, account, device, kind, family, acr, amr, auth_time, key_id, jkt, remember, created_at, last_seen, abs_exp, addr, agent, epoch, version"
	familyColumns  = "id, session, account, remember, gen, cur_kid, cur_hash, idle_exp, abs_exp, jkt, epoch, grt"
	grantColumns   = "id, account, session, client, family, scope, details, audience, acr, amr, auth_time, key_id, jkt, offline, keeps, created_at, abs_exp, epoch, version"

	// grantScope: without openid, so that an answer is one signature, as with a session.
	grantScope = "offline_access read"
)

// table is one that a population fills.
type table struct{ name, columns string }

func (p population) tables() []table {
	t := []table{{"session_session", sessionColumns}, {"session_family", familyColumns}}
	if p.secret != "" {
		t = append(t, table{"session_grant", grantColumns})
	}
	return t
}

// load writes a population and returns the seats.
func (c *core) load(ctx context.Context, url string, p population) ([]*seat, error) {
	m := minter{core: c, p: p, now: c.db.Now()}
	var err error
	if c.db.Dialect() == store.SQLite {
		err = m.intoSQLite(ctx)
	} else {
		err = m.intoPostgres(ctx, url)
	}
	return m.seats, err
}

type minter struct {
	*core
	p     population
	now   time.Time
	seats []*seat
}

// rows makes the rows of person i, one for each table. Ids sort by time, and people
// have come over the last hour, so keys land in the indexes as they do in life.
func (m *minter) rows(i int) [][]any {
	came := m.now.Add(-time.Hour + time.Duration(float64(time.Hour)*float64(i)/float64(m.p.rows)))
	ses, fam := keyring.NewID("ses_", came), keyring.NewID("fam_", came)
	acc, dev := keyring.NewID("acc_", came), keyring.NewID("dev_", came)
	key, jkt := m.p.key(i), ""
	if key != nil {
		jkt = key.Thumbprint()
	}
	kid := m.ring.CurrentRefreshKID()
	var hash [32]byte
	if stride := max(m.p.rows/m.p.used, 1); i%stride == 0 {
		token := m.mint(kid, fam)
		hash = keyring.Hash(token)
		m.seats = append(m.seats, &seat{family: fam, token: token, key: key, addr: address(i), app: m.p.app(i)})
	} else {
		hash = [32]byte(keyring.Random(32)) // nobody will come with this one
	}
	at, idle, abs := store.Micros(came), store.Micros(m.now.Add(time.Hour)), store.Micros(m.now.Add(24*time.Hour))
	own, grant, app := fam, "", m.p.app(i)
	if app != "" {
		own, grant = keyring.NewID("fam_", came), keyring.NewID("grt_", came)
	}
	rows := [][]any{
		{ses, acc, dev, "web", own, "phr", `["swk","user"]`, at, "key_" + acc[4:], jkt, false, at, at, abs, address(i), "Chrome|Linux", int64(0), int64(1)},
		{fam, ses, acc, app != "", int64(1), int64(kid), hash[:], idle, abs, jkt, int64(0), grant},
	}
	if app != "" {
		rows = append(rows, []any{grant, acc, ses, app, fam, grantScope, "", m.issuer, "phr", `["swk","user"]`, at, "key_" + acc[4:], jkt, true, false, at, abs, int64(0), int64(1)})
	}
	return rows
}

// mint makes a refresh token of the first generation, in the form that
// internal/session documents.
func (m *minter) mint(kid uint32, family string) string {
	mac, ok := m.ring.RefreshKey(kid)
	if !ok {
		panic("bench: the ring has no current refresh key")
	}
	secret := keyring.Random(32)
	tag := mac.Sum(nil, []byte("refresh"), []byte(family), binary.BigEndian.AppendUint64(nil, 1), secret)
	b64 := base64.RawURLEncoding
	return fmt.Sprintf("kwr_%d.%s.1.%s.%s", kid, family, b64.EncodeToString(secret), b64.EncodeToString(tag[:16]))
}

// intoSQLite loads in transactions of some thousand rows, many per statement.
func (m *minter) intoSQLite(ctx context.Context) error {
	const (
		perStatement   = 50
		perTransaction = 10_000
	)
	many := map[int][]string{} // statements by how many rows they take
	statements := func(n int) []string {
		if _, has := many[n]; !has {
			for _, t := range m.p.tables() {
				many[n] = append(many[n], "INSERT INTO "+t.name+" ("+t.columns+") VALUES "+places(n, strings.Count(t.columns, ",")+1))
			}
		}
		return many[n]
	}
	for done := 0; done < m.p.rows; {
		end := min(done+perTransaction, m.p.rows)
		err := m.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for ; done < end; done += min(perStatement, end-done) {
				n := min(perStatement, end-done)
				values := make([][]any, len(m.p.tables()))
				for i := range n {
					for k, row := range m.rows(done + i) {
						values[k] = append(values[k], row...)
					}
				}
				for k, q := range statements(n) {
					if err := tx.Later(q, values[k]...); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// places is ($1,$2,…),(…) for n rows.
func places(n, columns int) string {
	var b strings.Builder
	for i := range n * columns {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%columns == 0:
			b.WriteString("),(")
		default:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	b.WriteByte(')')
	return b.String()
}

// intoPostgres copies, and leaves the tables as autovacuum would: it must not
// wake up in the middle of a round.
func (m *minter) intoPostgres(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	const chunk = 50_000
	for done := 0; done < m.p.rows; done += chunk {
		n := min(chunk, m.p.rows-done)
		values := make([][][]any, len(m.p.tables()))
		for i := range n {
			for k, row := range m.rows(done + i) {
				values[k] = append(values[k], row)
			}
		}
		for k, t := range m.p.tables() {
			if _, err := conn.CopyFrom(ctx, pgx.Identifier{t.name}, strings.Split(t.columns, ", "), pgx.CopyFromRows(values[k])); err != nil {
				return err
			}
		}
	}
	var names []string
	for _, t := range m.p.tables() {
		names = append(names, t.name)
	}
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE) "+strings.Join(names, ", "))
	return err
}
