package apikey_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/audit"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

func (o *owner) reported(r apikey.Report) bool {
	o.t.Helper()
	if r.Via == "" {
		r.Via = apikey.ViaReport
	}
	known, err := o.w.BotKeys.Reported(o.t.Context(), r)
	o.w.Must(err)
	return known[0]
}

func (o *owner) leak(id apikey.ID) (l apikey.Leak) {
	o.t.Helper()
	o.w.Must(o.w.DB.View(o.t.Context(), func(tx *store.Tx) (err error) {
		l, err = o.w.BotKeys.Leak(tx, id)
		return err
	}))
	return l
}

func shared(n apikey.NewKey) apikey.NewKey {
	n.Alg = apikey.HMACSHA256
	return n
}

func TestASecretThatIsReportedTakesThePowerFromItsKey(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(shared(trading))
		other, _ := o.p.Bot(shared(trading))
		o.want(o.request(bot, order), trade, "")
		if !o.reported(apikey.Report{Token: "  " + bot.Secret + "\n", Via: apikey.ViaGitHub, URL: "https://github.com/somebody/bot/blob/1f2e/config.py"}) {
			t.Error("its secret is not known")
		}
		o.want(o.request(bot, order), trade, "KEY_QUARANTINED")
		o.want(o.request(bot, call{method: "DELETE", path: "/v1/orders/1"}), cancel, "")
		o.want(o.request(other, order), trade, "")
		if l := o.leak(key.ID); l.Via != apikey.ViaGitHub || l.URL != "github.com/somebody/bot/blob/1f2e/config.py" || !l.Live || l.At.IsZero() {
			t.Errorf("what is told of it: %+v", l)
		}
		// A second report, also of somebody else, does nothing more.
		before := o.w.Events(o.p.Account)
		o.reported(apikey.Report{Token: bot.Secret, URL: "https://evil.example/"})
		if after := o.w.Events(o.p.Account); after != before || strings.Count(after, "apikey.leaked") != 1 {
			t.Errorf("events:\n%s", after)
		}
		// Nobody gives it its power back: a touch says who asks, not that a stranger forgot.
		o.p.Touch(device.ActBotKeyRelease, string(key.ID))
		_, err := o.w.BotKeys.Release(t.Context(), o.p.Cause(), o.p.By(), key.ID)
		o.w.Refused(err, apikey.ErrLeaked)
		if n := o.w.Count("apikey_key WHERE id = '" + string(key.ID) + "' AND status = 'quarantined'"); n != 1 {
			t.Errorf("%d rows say so", n)
		}
		// One that has ended is still known to the scanner, and nothing happens to it.
		_, err = o.w.Contain.EndBotKey(t.Context(), o.p.Cause(), o.p.Account, key.ID)
		o.w.Must(err)
		if !o.reported(apikey.Report{Token: bot.Secret}) {
			t.Error("a secret that has ended was never ours")
		}
	})
}

// Whoever sees the id of a rival's key (it stands in every request and in many logs) must
// not be able to stop it.
func TestOnlyTheSecretProvesALeak(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(shared(trading))
		pair, pairKey := o.p.Bot(trading)
		hash := func(s string) *[32]byte { sum := sha256.Sum256([]byte(s)); return &sum }
		last := "x"
		if strings.HasSuffix(bot.Secret, last) {
			last = "y"
		}
		wrong := bot.Secret[:len(bot.Secret)-1] + last
		for _, row := range []struct {
			name string
			r    apikey.Report
		}{
			{"the id of a key", apikey.Report{Token: string(key.ID)}},
			{"the id of a key, hashed", apikey.Report{Hash: hash(string(key.ID))}},
			{"the id of a pair", apikey.Report{Token: string(pairKey.ID)}},
			{"a public key", apikey.Report{Token: base64.StdEncoding.EncodeToString(pair.Public())}},
			{"a public key in hex", apikey.Report{Token: hex.EncodeToString(pair.Public())}},
			{"a public key, hashed", apikey.Report{Hash: hash(string(pair.Public()))}},
			{"a secret with a wrong checksum", apikey.Report{Token: wrong}},
			{"nothing", apikey.Report{}},
			{"a page of text with the secret in it", apikey.Report{Token: strings.Repeat("x", 4096) + bot.Secret}},
		} {
			t.Run(row.name, func(t *testing.T) {
				if o.reported(row.r) {
					t.Error("is taken for the secret of a key")
				}
			})
		}
		o.want(o.request(bot, order), trade, "")
		o.want(o.request(pair, order), trade, "")
	})
}

func TestTheFormsInWhichALeakIsReported(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(shared(trading))
		sum := sha256.Sum256([]byte(bot.Secret))
		o.reported(apikey.Report{Hash: &sum, Via: apikey.ViaOperator})
		o.want(o.request(bot, order), trade, "KEY_QUARANTINED")
		if l := o.leak(key.ID); l.Via != apikey.ViaOperator || l.URL != "" {
			t.Errorf("%+v", l)
		}
		der := func(k ed25519.PrivateKey) []byte {
			b, err := x509.MarshalPKCS8PrivateKey(k)
			o.w.Must(err)
			return b
		}
		for name, form := range map[string]func(ed25519.PrivateKey) string{
			"PEM": func(k ed25519.PrivateKey) string {
				return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der(k)}))
			},
			"the inside of PEM":           func(k ed25519.PrivateKey) string { return base64.StdEncoding.EncodeToString(der(k)) },
			"seed in base64":              func(k ed25519.PrivateKey) string { return base64.StdEncoding.EncodeToString(k.Seed()) },
			"seed in base64 for URLs":     func(k ed25519.PrivateKey) string { return base64.RawURLEncoding.EncodeToString(k.Seed()) },
			"seed and public in base64":   func(k ed25519.PrivateKey) string { return base64.StdEncoding.EncodeToString(k) },
			"seed in hex":                 func(k ed25519.PrivateKey) string { return hex.EncodeToString(k.Seed()) },
			"seed and public half in hex": func(k ed25519.PrivateKey) string { return hex.EncodeToString(k) },
		} {
			t.Run(name, func(t *testing.T) {
				o := &owner{t, o.w, o.w.NewPerson()}
				o.w.Must(o.p.SignUp())
				o.w.Clock.Sleep(time.Minute)
				pair, _ := o.p.Bot(trading)
				o.reported(apikey.Report{Token: form(pair.Private)})
				o.want(o.request(pair, order), trade, "KEY_QUARANTINED")
			})
		}
	})
}

// A key that another exchange made has no form that a scanner knows. Its secret is found
// all the same.
func TestASecretWithoutAFormIsFoundToo(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := shared(trading)
		n.Purpose, n.Profile = "Brought from before", apikey.Binance
		secret := "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
		k, err := o.w.BotKeys.Import(t.Context(), store.Cause{Actor: "operator:test"}, o.p.Account, apikey.Brought{NewKey: n, ID: "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", Secret: secret})
		o.w.Must(err)
		o.reported(apikey.Report{Token: secret, URL: "https://pastebin.example/raw/x?y#z"})
		if l := o.leak(k.ID); l.URL != "pastebin.example" {
			t.Errorf("%+v", l)
		}
		if n := o.w.Count("apikey_key WHERE status = 'quarantined' AND ended_why = 'leaked'"); n != 1 {
			t.Errorf("%d keys are in quarantine", n)
		}
		_, err = o.w.BotKeys.Import(t.Context(), store.Cause{Actor: "operator:test"}, o.p.Account, apikey.Brought{NewKey: n, ID: k.ID, Secret: secret})
		o.w.Refused(err, apikey.ErrTaken)
	})
}

// Whoever has a secret must not be able to write into its owner's pages with it.
func TestWhatAFinderWritesStandsInNoPage(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		for _, row := range []struct {
			via       apikey.Via
			url, want string
		}{
			{apikey.ViaReport, "https://evil.example/rotate-your-key-now", "evil.example"},
			{apikey.ViaReport, "https://user:pass@evil.example:8443/x", "evil.example"},
			{apikey.ViaReport, "javascript:alert(1)", ""},
			{apikey.ViaReport, "call +1 555 0100 at once", ""},
			{apikey.ViaReport, "https://xn--80ak6aa92e.example/", "xn--80ak6aa92e.example"},
			{apikey.ViaReport, "https://аррle.example/", ""},
			{apikey.ViaReport, "https://" + strings.Repeat("a", 101) + "/", ""},
			{apikey.ViaReport, strings.Repeat("https://a/", 300), ""},
			{apikey.ViaGitHub, "https://github.com/a/b/blob/c/d.py#L3", "github.com/a/b/blob/c/d.py"},
			{apikey.ViaGitHub, "https://github.com/a/b\n<script>", ""},
			{apikey.ViaGitHub, "https://github.com/a/" + strings.Repeat("한", 99), ""},
		} {
			person := o.w.NewPerson()
			o.w.Must(person.SignUp())
			p := &owner{t, o.w, person}
			bot, key := p.p.Bot(shared(trading))
			p.reported(apikey.Report{Token: bot.Secret, Via: row.via, URL: row.url})
			got := p.leak(key.ID).URL
			if row.want == "" && strings.HasPrefix(got, "github.com/a/%ED%95%9C") && len(got) <= 150 {
				continue
			}
			if got != row.want {
				t.Errorf("of %.60q %q is kept, want %q", row.url, got, row.want)
			}
		}
	})
}

func TestManyReportsAtOnceAreOneLeak(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(shared(trading))
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := o.w.BotKeys.Reported(context.Background(), apikey.Report{Token: bot.Secret, Via: apikey.ViaReport}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := strings.Count(o.w.Events(o.p.Account), "apikey.leaked"); n != 1 {
			t.Errorf("%d events of one leak", n)
		}
	})
}

// A database that is older than the digests is searched after a minute of serving.
func TestKeysFromBeforeAreFound(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(shared(trading))
		pair, _ := o.p.Bot(trading)
		o.w.Must(o.w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE apikey_version SET lookup = $1`, nil)
			return err
		}))
		if o.reported(apikey.Report{Token: bot.Secret}) {
			t.Error("found without a digest")
		}
		o.w.Must(o.w.BotKeys.FillLookups(t.Context()))
		o.w.Must(o.w.BotKeys.FillLookups(t.Context()))
		o.reported(apikey.Report{Token: bot.Secret})
		o.reported(apikey.Report{Token: hex.EncodeToString(pair.Private.Seed())})
		o.want(o.request(bot, order), trade, "KEY_QUARANTINED")
		o.want(o.request(pair, order), trade, "KEY_QUARANTINED")
	})
}

func TestNoDigestInTheDatabaseIsThatOfASecretAlone(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(shared(trading))
		sum := sha256.Sum256([]byte(bot.Secret))
		for name, digest := range map[string][]byte{"its hash": sum[:], "itself": []byte(bot.Secret)} {
			var n int
			o.w.Must(o.w.DB.View(t.Context(), func(tx *store.Tx) error {
				return tx.Row(`SELECT COUNT(*) FROM apikey_version WHERE lookup = $1`, digest).Scan(&n)
			}))
			if n != 0 {
				t.Errorf("the database holds %s", name)
			}
		}
	})
}

var operator = store.Cause{Actor: "operator:test"}

func TestABulkEndTakesWhatItIsAboutAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		other := &owner{t, o.w, o.w.NewPerson()}
		o.w.Must(other.p.SignUp())
		partner := shared(trading)
		partner.Partner = "3bots"
		mine, _ := o.p.Bot(partner)
		second, _ := o.p.Bot(partner)
		theirs, _ := other.p.Bot(partner)
		own, ownKey := o.p.Bot(shared(trading))
		o.want(o.request(mine, balance), look, "")
		_, err := o.w.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{}, "")
		o.w.Refused(err, apikey.ErrUnknown) // all keys there are: nobody means that
		out, err := o.w.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{Partner: "3bots"}, "incident 7")
		o.w.Must(err)
		if out.Keys != 3 || out.Accounts != 2 || out.Left != 0 {
			t.Errorf("%+v", out)
		}
		for _, bot := range []*softkey.Bot{mine, second, theirs} {
			o.want(o.request(bot, balance), look, "(AUTH_FAILED)")
		}
		o.want(o.request(own, order), trade, "")
		for _, acc := range []account.ID{o.p.Account, other.p.Account} {
			if got := o.w.Events(acc); strings.Count(got, "apikey.ended_many") != 1 {
				t.Errorf("one event for each account: %s", got)
			}
		}
		none := func(f apikey.Filter) {
			t.Helper()
			if n, err := o.w.Contain.MatchingBotKeys(t.Context(), f, nil); err != nil || n != 0 {
				t.Errorf("%+v is about %d keys (%v)", f, n, err)
			}
		}
		none(apikey.Filter{Partner: "3bots"})
		none(apikey.Filter{Account: o.p.Account, Before: ownKey.Made.At})
		none(apikey.Filter{Account: o.p.Account, After: ownKey.Made.At.Add(time.Second)})
		none(apikey.Filter{Account: o.p.Account, From: netip.MustParsePrefix("198.51.100.0/24")})
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		out, err = o.w.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{Account: o.p.Account, From: netip.MustParsePrefix("203.0.113.0/24")}, "")
		o.w.Must(err)
		if out.Keys != 1 {
			t.Errorf("%+v", out)
		}
		o.want(o.request(own, order), trade, "(AUTH_FAILED)")
	})
}

// Keys that were used from a range end with it, wherever they were made.
func TestABulkEndByWhereKeysWereUsed(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		n := shared(apikey.NewKey{Scopes: apikey.ReadAccount})
		bot, _ := o.p.Bot(n)
		o.want(o.request(bot, call{method: "GET", path: "/v1/balance", peer: foreign}), look, "")
		o.w.Must(o.w.BotKeys.Flush(t.Context()))
		out, err := o.w.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{From: netip.MustParsePrefix("198.51.100.9/32")}, "")
		o.w.Must(err)
		if out.Keys != 1 {
			t.Errorf("%+v", out)
		}
	})
}

func TestABulkEndWhileKeysAreMade(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		partner := shared(apikey.NewKey{Scopes: apikey.ReadAccount, Partner: "3bots"})
		for range 3 {
			o.p.Bot(partner)
		}
		made := make(chan struct{})
		go func() {
			defer close(made)
			for range 4 {
				o.p.Bot(partner)
			}
		}()
		ended := 0
		for range 2 {
			out, err := o.w.Contain.EndBotKeys(t.Context(), operator, apikey.Filter{Partner: "3bots"}, "")
			o.w.Must(err)
			ended += out.Keys
			<-made
		}
		if n := o.w.Count("apikey_key WHERE status <> 'revoked'"); n != 0 || ended != 7 {
			t.Errorf("%d ended, %d are left", ended, n)
		}
		if n := o.w.Count("apikey_version WHERE sealed IS NOT NULL"); n != 0 {
			t.Errorf("%d secrets are left", n)
		}
	})
}

// Once the version that leaked is over, as after a rotation, its owner may say that nobody
// else has the new one.
func TestAReplacedSecretMayBeReleased(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, key := o.p.Bot(shared(trading))
		o.reported(apikey.Report{Token: bot.Secret})
		end := func(at time.Time) {
			o.w.Must(o.w.DB.Housekeeping(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(`UPDATE apikey_version SET ends_at = $1`, store.Micros(at))
				return err
			}))
		}
		release := func() error {
			o.p.Touch(device.ActBotKeyRelease, string(key.ID))
			_, err := o.w.BotKeys.Release(t.Context(), o.p.Cause(), o.p.By(), key.ID)
			return err
		}
		end(o.w.DB.Now().Add(time.Hour)) // both still sign
		o.w.Refused(release(), apikey.ErrLeaked)
		end(o.w.DB.Now().Add(-time.Minute))
		o.w.Must(release())
		// And a report of a secret that opens nothing does nothing.
		if !o.reported(apikey.Report{Token: bot.Secret}) {
			t.Error("it was never ours")
		}
		if n := o.w.Count("apikey_key WHERE status = 'active'"); n != 1 {
			t.Error("the key went into quarantine for a secret that was replaced")
		}
	})
}

// What was read of the leak goes with the account.
func TestErasingTakesTheLeakToo(t *testing.T) {
	each(t, func(t *testing.T, o *owner) {
		bot, _ := o.p.Bot(shared(trading))
		pair, _ := o.p.Bot(trading)
		o.reported(apikey.Report{Token: bot.Secret, Via: apikey.ViaGitHub, URL: "https://github.com/my-own-name/bot"})
		o.w.Must(o.w.DB.Update(t.Context(), operator, func(tx *store.Tx) error {
			if err := o.w.BotKeys.Erase(tx, o.p.Account); err != nil {
				return err
			}
			_, err := o.w.Log.Append(tx, audit.Event{Action: "account.erased", Account: string(o.p.Account), Target: string(o.p.Account)})
			return err
		}))
		if n := o.w.Count("apikey_version WHERE leaked_url <> ''"); n != 0 {
			t.Errorf("%d places are left", n)
		}
		o.reported(apikey.Report{Token: hex.EncodeToString(pair.Private.Seed())})
		if n := o.w.Count("apikey_version WHERE leaked_at > 0"); n != 1 {
			t.Errorf("%d leaks, one of them of an account that is gone", n)
		}
	})
}
