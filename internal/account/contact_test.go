package account_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"keyward/internal/account"
	"keyward/internal/store"
)

func TestALinkVerifiesOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.create(account.NewAccount{Mail: "kim@example.com"})
		w.view(func(tx *store.Tx) error {
			if _, err := w.accounts.ByMail(tx, "kim@example.com"); !errors.Is(err, account.ErrUnknown) {
				t.Errorf("a claim finds the account: %v", err)
			}
			return nil
		})
		token := w.link(a.ID)
		w.sleep(time.Hour)
		later := w.link(a.ID) // the mail was asked for again
		c, err := w.confirm(token)
		w.must(err)
		if !c.Verified() || !c.VerifiedAt.Equal(w.now()) || c.Account != a.ID || c.Value != "kim@example.com" {
			t.Errorf("confirmed %+v", c)
		}
		for _, again := range []string{token, later} {
			if _, err := w.confirm(again); !errors.Is(err, account.ErrLinkUsed) {
				t.Errorf("a second time: %v", err)
			}
		}
	})
}

func TestALinkLivesADay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.create(account.NewAccount{Mail: "kim@example.com"}), w.create(account.NewAccount{Mail: "lee@example.com"})
		kim, lee := w.link(a.ID), w.link(b.ID)
		w.sleep(24*time.Hour - time.Second)
		if _, err := w.confirm(kim); err != nil {
			t.Errorf("just in time: %v", err)
		}
		w.sleep(time.Second)
		if _, err := w.confirm(lee); err != account.ErrLinkExpired {
			t.Errorf("too late: %v", err)
		}
		if w.contacts(b.ID)[0].Verified() {
			t.Error("and yet verified")
		}
	})
}

func TestForgedLinks(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.create(account.NewAccount{Mail: "kim@example.com"}), w.create(account.NewAccount{Mail: "lee@example.com"})
		token := w.link(a.ID)
		id, rest, _ := strings.Cut(token, ".")
		raw, err := base64.RawURLEncoding.DecodeString(rest)
		w.must(err)
		moved := func(edit func([]byte)) string {
			b := append([]byte(nil), raw...)
			edit(b)
			return id + "." + base64.RawURLEncoding.EncodeToString(b)
		}
		for name, forged := range map[string]string{
			"nothing":                   "",
			"only the contact":          id,
			"moved to another contact":  w.contacts(b.ID)[0].ID + "." + rest,
			"made to last":              moved(func(b []byte) { b[0] = 0x7f }),
			"a changed MAC":             moved(func(b []byte) { b[39] ^= 1 }),
			"cut short":                 token[:len(token)-2],
			"with something behind":     token + ".x",
			"with NUL":                  token + "\x00",
			"very long":                 id + "." + strings.Repeat("A", 1<<20),
			"another spelling":          token[:len(token)-1] + next(token[len(token)-1]),
			"a freeze link of the same": w.accounts.FreezeToken(a, w.now()),
		} {
			if _, err := w.confirm(forged); !errors.Is(err, account.ErrLinkInvalid) || errors.Unwrap(err) == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if w.contacts(a.ID)[0].Verified() || w.contacts(b.ID)[0].Verified() {
			t.Error("a forged link verified something")
		}
	})
}

// next is the neighbour of a base64url letter that differs in bits that carry nothing.
func next(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, c)^1])
}

// TestAClaimDoesNotBlockTheOwner: whoever types an address first has nothing by
// it; whoever follows the link has the address, and the other is told so.
func TestAClaimDoesNotBlockTheOwner(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		squatter := w.create(account.NewAccount{Mail: "kim@example.com"})
		owner := w.create(account.NewAccount{Mail: "kim@EXAMPLE.com"})
		_, err := w.confirm(w.link(owner.ID))
		w.must(err)
		if _, err := w.confirm(w.link(squatter.ID)); !errors.Is(err, account.ErrContactTaken) {
			t.Errorf("the second: %v", err)
		}
		w.view(func(tx *store.Tx) error {
			a, err := w.accounts.ByMail(tx, "kim@example.com")
			if a.ID != owner.ID {
				t.Errorf("the address leads to %s", a.ID)
			}
			return err
		})
		// Signing up with a taken address looks like any other.
		third := w.create(account.NewAccount{Mail: "kim@example.com"})
		if c := w.contacts(third.ID); len(c) != 1 || c[0].Verified() {
			t.Errorf("the third's contact: %+v", c)
		}
	})
}

func TestTwoOwnersOfOneMailboxAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var tokens []string
		for range 6 {
			tokens = append(tokens, w.link(w.create(account.NewAccount{Mail: "kim@example.com"}).ID))
		}
		var wg sync.WaitGroup
		errs := make([]error, len(tokens))
		for i, token := range tokens {
			wg.Go(func() { _, errs[i] = w.confirm(token) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, account.ErrContactTaken) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d accounts verified one address", won)
		}
	})
}

func TestContactsAreBoundedAndNotTheLastOneLost(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, stranger := w.create(account.NewAccount{Mail: "kim@example.com"}), w.create(account.NewAccount{})
		add := func(mail string) (c account.Contact, err error) {
			err = w.update(func(tx *store.Tx) error {
				c, err = w.accounts.AddContact(tx, a.ID, mail)
				return err
			})
			return c, err
		}
		remove := func(by account.ID, id string) error {
			return w.update(func(tx *store.Tx) error { _, err := w.accounts.RemoveContact(tx, by, id); return err })
		}
		first := w.contacts(a.ID)[0]
		again, err := add("kim@EXAMPLE.com")
		w.must(err)
		if again.ID != first.ID {
			t.Error("one address, two contacts")
		}
		_, err = w.confirm(w.link(a.ID))
		w.must(err)
		if err := remove(a.ID, first.ID); err != account.ErrContactLast {
			t.Errorf("the last verified address: %v", err)
		}
		if err := remove(stranger.ID, first.ID); !errors.Is(err, account.ErrContactUnknown) {
			t.Errorf("by somebody else: %v", err)
		}
		for i := range 7 {
			w.sleep(time.Second)
			_, err := add(fmt.Sprintf("kim%d@example.com", i))
			w.must(err)
		}
		if _, err := add("one.too.many@example.com"); err != account.ErrContactLimit {
			t.Errorf("the ninth address: %v", err)
		}
		list := w.contacts(a.ID)
		if len(list) != 8 || list[0].ID != first.ID {
			t.Errorf("listed %+v", list)
		}
		w.must(remove(a.ID, list[1].ID)) // unverified ones go freely
		_, err = w.confirm(w.accounts.VerifyToken(list[2].ID, w.now()))
		w.must(err)
		w.must(remove(a.ID, first.ID)) // there is another verified one now
		if err := remove(a.ID, first.ID); !errors.Is(err, account.ErrContactUnknown) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestNormalizeMail(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "kim@example.com", "kim@example.com"},
		{"outer space goes", " \tkim@example.com\r\n", "kim@example.com"},
		{"the domain is lower-cased", "kim@Example.COM", "kim@example.com"},
		{"the local part is left alone", "Kim.Lee+tag@gmail.com", "Kim.Lee+tag@gmail.com"},
		{"all atext", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"a German domain", "kim@Bücher.example", "kim@xn--bcher-kva.example"},
		{"a Korean domain", "kim@한국.example", "kim@xn--3e0b707e.example"},
		{"a Japanese full stop", "kim@例え。テスト", "kim@xn--r8jz45g.xn--zckzah"},
		{"decomposed letters are composed", "kim@bu\u0308cher.example", "kim@xn--bcher-kva.example"},
		{"full-width letters are narrowed", "kim@ｅｘａｍｐｌｅ.com", "kim@example.com"},
		{"a right-to-left domain", "kim@\u0625\u062e\u062a\u0628\u0627\u0631.example", "kim@xn--kgbechtv.example"},
		{"already in ASCII form", "kim@xn--bcher-kva.example", "kim@xn--bcher-kva.example"},
		{"a sub-domain", "kim@mail.example.co.kr", "kim@mail.example.co.kr"},
		{"64 letters before the sign", strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},

		{"nothing", "", ""},
		{"no sign", "kim.example.com", ""},
		{"nothing before the sign", "@example.com", ""},
		{"nothing after it", "kim@", ""},
		{"two signs", "kim@lee@example.com", ""},
		{"a bare host", "kim@localhost", ""},
		{"an address literal", "kim@[127.0.0.1]", ""},
		{"an address", "kim@127.0.0.1", ""},
		{"space inside", "kim lee@example.com", ""},
		{"a quoted local part", `"kim"@example.com`, ""},
		{"a second header", "kim@example.com\r\nBcc: all@example.com", ""},
		{"a line break before the sign", "kim\n@example.com", ""},
		{"NUL", "kim\x00@example.com", ""},
		{"NUL in the domain", "kim@exa\x00mple.com", ""},
		{"a display name", "Kim <kim@example.com>", ""},
		{"two addresses", "kim@example.com,lee@example.com", ""},
		{"a dot first", ".kim@example.com", ""},
		{"two dots", "kim..lee@example.com", ""},
		{"a letter of another script before the sign", "김@example.com", ""},
		{"an empty label", "kim@example..com", ""},
		{"a final dot", "kim@example.com.", ""},
		{"a hyphen first", "kim@-example.com", ""},
		{"a hyphen last", "kim@example-.com", ""},
		{"an underscore", "kim@exam_ple.com", ""},
		{"a slash out of one letter", "kim@\u2100.com", ""},
		{"an invisible letter", "kim@exam\u200bple.com", ""},
		{"turned text", "kim@\u202eexample.com", ""},
		{"letters of both directions", "kim@abc\u05d0\u05d1.com", ""},
		{"an emoji", "kim@💌.example", ""},
		{"a mark first", "kim@\u0308a.example", ""},
		{"ASCII form of nothing", "kim@xn--\u00fc.example", ""},
		{"broken UTF-8", "kim@\xff.com", ""},
		{"65 letters before the sign", strings.Repeat("a", 65) + "@example.com", ""},
		{"a label of 64", "kim@" + strings.Repeat("a", 64) + ".com", ""},
		{"254 bytes and one", "kim@" + strings.Repeat("a.", 124) + "com", ""},
		{"a megabyte", strings.Repeat("a", 1<<20) + "@example.com", ""},
	} {
		got, err := account.NormalizeMail(tc.in)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: %q became %q, %v; want %q", tc.name, tc.in, got, err, tc.want)
		}
		if again, err := account.NormalizeMail(got); tc.want != "" && (err != nil || again != got) {
			t.Errorf("%s: twice normalised it is %q, %v", tc.name, again, err)
		}
	}
}

func FuzzNormalizeMail(f *testing.F) {
	for _, s := range []string{"kim@example.com", "kim@Bücher.example", "a@b\r\nBcc: c", "@", "kim@한국.example", "x@xn--a.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := account.NormalizeMail(s)
		if err != nil {
			return
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] >= 0x7f {
				t.Fatalf("%q became %q", s, got)
			}
		}
		if again, err := account.NormalizeMail(got); err != nil || again != got || len(got) > 254 {
			t.Fatalf("%q became %q, then %q, %v", s, got, again, err)
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add("cnt_01hzzzzzzzzzzzzzzzzzzzzzzz.AAAA")
	f.Add("")
	f.Add(".")
	w := newLinkWorld(f)
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := w.OpenFreezeToken(&store.Tx{}, token); err == nil { // no row is read for a forged one
			t.Fatalf("%q opens", token)
		}
	})
}
